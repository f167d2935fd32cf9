from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.forecast import forecast_page, in_steps, slots_by_queue, step_of
from duebook_api.console.pages.svg.forecast_bars import Step, forecast_bars
from duebook_api.console.pages.times import Times

NOW = datetime(2026, 11, 26, 3, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TIMES = Times(NOW, "Europe/Berlin")


def view(*runs: int, **fields: Any) -> dict[str, Any]:
    first = NOW.replace(minute=0)
    hours = [{"at": first + n * HOUR, "runs": each} for n, each in enumerate(runs) if each]
    rest: dict[str, Any] = {
        "from": NOW,
        "to": NOW + DAY,
        "jobs": 2,
        "runs": sum(runs),
        "queues": [],
        "clock_changes": [],
    }
    return rest | {"hours": hours} | fields


def peak(runs: int) -> dict[str, Any]:
    return {"runs": runs, "at": NOW if runs else None}


def test_the_sentence_names_the_runs_and_the_busiest_hour() -> None:
    page = forecast_page(view(1, 5, 2), None, None, TIMES)
    assert page.sentence == (
        "2 jobs will make 8 runs until Fri 27 Nov 04:12 +01:00. "
        "The busiest hour begins on Thu 26 Nov 05:00 +01:00 and has 5 runs."
    )


def test_with_changes_the_sentence_names_the_difference() -> None:
    assert "That is 3 more than without the changes." in forecast_page(view(8), view(5), None, TIMES).sentence
    assert "That is 2 fewer" in forecast_page(view(3), view(5), None, TIMES).sentence
    assert "That is" not in forecast_page(view(5), view(5), None, TIMES).sentence


def test_nothing_to_come_has_a_sentence_of_its_own() -> None:
    assert forecast_page(view(), None, None, TIMES).sentence.startswith("No schedule names a time until")


def test_all_steps_of_the_window_are_drawn_and_no_run_is_lost() -> None:
    steps = in_steps(view(1, 0, 2), view(3), 2 * HOUR)
    assert [step.runs for step in steps] == [1, 2] + [0] * 11
    assert [step.before for step in steps][:2] == [3, 0]


def test_a_longer_window_has_longer_steps() -> None:
    assert [step_of(days * DAY) // HOUR for days in (1, 7, 31, 92, 366, 400)] == [1, 2, 12, 24, 96, 96]


def test_a_queue_that_needs_more_than_its_slots_is_marked() -> None:
    queue = {
        "queue": "q",
        "runs": 9,
        "unmeasured_jobs": 1,
        "peak": {"mean": peak(1), "p95": peak(9), "hours_looked_at": 1},
    }
    page = forecast_page(view(9, queues=[queue]), None, {"q": 8}, TIMES)
    assert page.queues[0].is_short
    assert page.queues[0].unmeasured == "1 job without a measured duration: one second each"
    assert not forecast_page(view(9, queues=[queue]), None, None, TIMES).queues[0].is_short


def test_only_executors_that_are_alive_have_slots() -> None:
    alive = {"state": "alive", "queues": ["a", "b"], "slots": 10}
    assert slots_by_queue([alive, alive | {"queues": ["a"]}, alive | {"state": "lost"}]) == {"a": 20, "b": 10}


@given(st.lists(st.tuples(st.integers(0, 2**60), st.none() | st.integers(0, 2**60)), max_size=200), st.integers(1, 400))
def test_the_drawing_is_well_formed_at_any_scale(runs: list[tuple[int, int | None]], hours: int) -> None:
    step = hours * HOUR
    steps = [Step(NOW + n * step, number, before) for n, (number, before) in enumerate(runs)]
    drawing = forecast_bars(steps, step, [(NOW, "<b>"), (NOW + step, "Europe/Berlin")], TIMES)
    root = ET.fromstring(f"<div>{drawing}</div>")
    assert len(root) == (2 if steps else 0)
    assert len(root.findall(".//rect")) == sum(number > 0 for number, _ in runs)
