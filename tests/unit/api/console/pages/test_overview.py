from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.overview import (
    STEP,
    Upcoming,
    blocks,
    causes,
    figures,
    first_step,
    picture,
    punctuality,
    queue_rows,
    sentence,
)
from duebook_api.console.pages.svg.axes import nice_top
from duebook_api.console.pages.times import Times
from duebook_api.state.run_counts import STATES

NOW = datetime(2026, 11, 26, 2, 12, tzinfo=UTC)
TIMES = Times(NOW, "Europe/Berlin")
HOUR = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
NOTHING = Upcoming(STEP, ())
COUNTS = st.dictionaries(st.sampled_from(["succeeded", "failed", "dead_lettered", "skipped"]), st.integers(0, 10**6))


def an_item(at: datetime, counts: dict[str, int], key: str | None = None, late: float | None = 0.002) -> dict[str, Any]:
    return {"at": at, "key": key, "counts": counts, "lateness": {"p50": late, "p99": late}}


def drawing(markup: str) -> ET.Element:
    """The drawing within the region that scrolls."""
    found = ET.fromstring(f"<div>{markup}</div>").find(".//svg")
    assert found is not None
    return found


@given(st.lists(COUNTS, max_size=60), st.lists(st.integers(0, 10**6), max_size=4))
def test_the_picture_is_well_formed_and_its_twin_has_each_number(counts: list[dict[str, int]], runs: list[int]) -> None:
    start = first_step(NOW)
    items = [an_item(start + n * timedelta(minutes=5), each) for n, each in enumerate(counts)]
    coming = [{"at": HOUR + timedelta(hours=n), "runs": each} for n, each in enumerate(runs)]
    markup = picture(items, Upcoming(timedelta(hours=1), coming), TIMES)
    assert drawing(markup).get("aria-label")
    rows = ET.fromstring(f"<div>{markup}</div>").findall(".//tbody/tr")
    assert len(rows) == len(counts) + len(runs)


def test_an_attempt_that_failed_and_was_not_the_last_is_a_retry() -> None:
    markup = picture([an_item(HOUR, {"succeeded": 3, "failed": 6, "dead_lettered": 2})], NOTHING, TIMES)
    assert "3 succeeded, 4 retrying, 2 dead letter" in markup


def test_of_the_present_step_the_forecast_shows_what_is_left() -> None:
    coming = [{"at": HOUR, "runs": 7}, {"at": HOUR + timedelta(hours=1), "runs": 60}]
    first, second = blocks(Upcoming(timedelta(hours=1), coming), NOW)
    assert (first.start, first.end, first.runs) == (NOW, HOUR + timedelta(hours=1), 7)
    assert (second.start, second.runs) == (HOUR + timedelta(hours=1), 60)


def test_steps_that_are_over_are_not_shown() -> None:
    coming = [{"at": HOUR, "runs": 7}, {"at": HOUR + 3 * STEP, "runs": 2}]
    assert [each.runs for each in blocks(Upcoming(STEP, coming), NOW)] == [2]


@pytest.mark.parametrize(
    ("unaccounted", "end"),
    [(0, "none is unaccounted for."), (1, "1 is unaccounted for."), (2, "2 are unaccounted for.")],
)
def test_the_sentence_says_what_came_of_the_last_hour(unaccounted: int, end: str) -> None:
    numbers = {"last_hour": {"counts": {"succeeded": 1_200, "failed": 4, "dead_lettered": 1}}}
    words = sentence(numbers, {"jobs": 8, "expected": 85, "unaccounted": unaccounted})
    assert words.startswith(
        "In the last hour 1,200 runs succeeded, 3 attempts were retried and 1 run failed for good. "
    )
    assert words.endswith(f"Of 85 times of 8 recurring jobs {end}")


def test_without_a_recurring_job_the_sentence_is_about_runs_only() -> None:
    words = sentence({"last_hour": {"counts": {}}}, {"jobs": 0, "expected": 0, "unaccounted": 0})
    assert words == "In the last hour 0 runs succeeded, 0 attempts were retried and 0 runs failed for good."


@given(st.floats(0.1, 1e12))
def test_the_top_of_an_axis_is_round_and_not_far_above_the_highest(highest: float) -> None:
    top = nice_top(highest)
    assert highest <= top <= max(2, highest * 2.5)
    assert int(str(top)[0]) in {1, 2, 4}


def test_a_figure_in_trouble_has_a_role_and_leads_to_what_it_counts() -> None:
    numbers: dict[str, Any] = dict.fromkeys((*STATES, "overdue_jobs"), 0) | {"paused": []}
    calm = figures(numbers | {"oldest_dead_letter_at": None}, TIMES)
    assert [figure.role for figure in calm] == [""] * 6
    troubled = figures(numbers | {"dead_lettered": 2, "oldest_dead_letter_at": NOW - timedelta(days=1)}, TIMES)
    assert (troubled[4].role, troubled[4].remark, troubled[4].path) == ("dead", "oldest 1 day", "/console/dead-letters")
    waited = figures(numbers | {"oldest_dead_letter_at": NOW - timedelta(hours=1, minutes=3)}, TIMES)
    assert waited[4].remark == "oldest 1 h"  # one unit: the place beside a figure is narrow


def test_what_is_due_is_that_of_the_queues_and_leads_to_them_while_one_is_paused() -> None:
    numbers: dict[str, Any] = dict.fromkeys((*STATES, "overdue_jobs"), 0) | {
        "due": 2,
        "dispatched": 3,
        "oldest_dead_letter_at": None,
    }
    [due, *_] = figures(numbers | {"paused": []}, TIMES)
    assert (due.number, due.remark, due.path, due.query) == (5, "3 sent", "/console/runs", (("status", "dispatched"),))
    [due, *_] = figures(numbers | {"paused": [{"queue": "mail"}]}, TIMES)
    assert (due.number, due.remark, due.path, due.query) == (5, "3 sent", "/console/queues", ())
    [due, *_] = figures(numbers | {"dispatched": 0, "paused": []}, TIMES)
    assert (due.number, due.remark) == (2, "")


def test_a_cause_is_the_first_line_of_its_error_or_its_task() -> None:
    group = {"fingerprint": "f", "error": "\nboom\nat line 3", "task": "t", "runs": 2, "jobs": 1}
    seen = {"first_seen": NOW, "last_seen": NOW}
    assert [each.error for each in causes([group | seen, group | seen | {"error": ""}])] == ["boom", "t"]


def test_a_queue_shows_what_it_has_finished_in_the_last_hour() -> None:
    queue = dict.fromkeys(("due", "waiting", "dispatched", "running", "executors"), 1)
    view = queue | {"name": "mail", "oldest_due_at": NOW - timedelta(minutes=7), "pause": None}
    items = [an_item(NOW - timedelta(minutes=4), {"succeeded": 5}, "mail"), an_item(NOW, {"succeeded": 9}, "other")]
    [row] = queue_rows([view], items, TIMES)
    assert (row.not_started, row.oldest) == (3, "7 min")
    assert "last hour: 5" in row.last_hour


def test_punctuality_is_that_of_the_last_hour_and_none_without_starts() -> None:
    items = [an_item(NOW - timedelta(hours=3), {}, late=9.0), an_item(NOW - timedelta(minutes=5), {}, late=0.0019)]
    assert punctuality(items, TIMES).facts == [("p50", "1.9 ms"), ("p99", "1.9 ms")]
    assert punctuality([an_item(NOW, {}, late=None)], TIMES).facts == []
