from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.executors import executors_page, row, state_sentence
from duebook_api.console.pages.svg.gauge import gauge

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"))


def executor(state: str = "alive", running: int = 3, slots: int = 10) -> dict[str, Any]:
    now = datetime(2026, 11, 26, 2, tzinfo=UTC)
    names: dict[str, Any] = {"id": "1", "name": "host/1", "host": "host", "version": "1", "queues": [], "tasks": []}
    return names | {"state": state, "running": running, "slots": slots, "started_at": now, "seen_at": now}


def test_the_sentence_sums_the_slots_of_executors_that_are_alive() -> None:
    page = executors_page([executor(), executor(running=1), executor("lost"), executor("draining")], is_all=True)
    assert page.sentence == (
        "2 executors are alive; 4 of 20 slots are in use. 1 executor was lost within the last day."
    )
    assert page.is_urgent


def test_without_an_executor_the_sentence_says_what_follows() -> None:
    page = executors_page([], is_all=True)
    assert page.sentence == "No executor is alive: what is due waits until one starts."
    assert page.is_urgent


def test_a_part_of_the_list_claims_nothing_about_the_rest() -> None:
    page = executors_page([executor("lost")], is_all=False)
    assert (page.sentence, page.is_urgent) == ("1 executor on this page.", False)


def test_the_host_of_an_executor_without_one_is_read_from_its_name() -> None:
    assert row(executor() | {"host": "", "name": "a-host/17"}).host == "a-host"
    assert row(executor() | {"host": "", "name": "executor-1"}).host == "executor-1"


def test_each_state_says_what_it_means_for_the_work() -> None:
    sentences = {state_sentence(executor(state)) for state in ("alive", "draining", "lost")}
    assert len(sentences) == 3


@given(st.integers(0, 2**62), st.integers(0, 2**62), TEXT)
def test_a_gauge_stays_within_its_frame_and_has_a_title(used: int, most: int, title: str) -> None:
    drawing = ET.fromstring(gauge(used, most, title))
    assert drawing.get("aria-label") == title
    assert all(float(part.get("width", "0")) <= 96 for part in drawing)
