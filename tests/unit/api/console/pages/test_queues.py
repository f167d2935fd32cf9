from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_api.console.pages.queues import BARS, queues_page, rate, starts_of
from duebook_api.console.pages.times import Times
from duebook_common.store.statistics_queries import StartsOfStep

NOW = datetime(2026, 11, 26, 3, 12, tzinfo=UTC)
TIMES = Times(NOW)


def queue(name: str = "mail", **numbers: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("due", "waiting", "dispatched", "running", "retrying", "dead_lettered"), 0)
    rest: dict[str, Any] = {"name": name, "oldest_due_at": None, "executors": 1, "pause": None, "frozen": False}
    return counts | rest | numbers


def test_the_sentence_sums_what_waits_and_runs() -> None:
    pause = {"paused_by": "ops", "reason": "provider down", "since": NOW}
    page = queues_page([queue(waiting=2, due=1, pause=pause), queue("default", running=1)], None, None, TIMES)
    assert page.sentence == "2 queues; 3 jobs or runs are due, sent or waiting, 1 run is running. 1 queue is paused."
    assert [row.status for row in page.rows] == ["paused", "active"]


def test_the_sentence_of_one_that_is_sent_is_in_the_singular() -> None:
    page = queues_page([queue(dispatched=1, running=2)], None, None, TIMES)
    assert page.sentence == "1 queue; 1 job or run is due, sent or waiting, 2 runs are running."


def test_a_queue_without_executors_is_warned_of() -> None:
    [row] = queues_page([queue(executors=0)], None, None, TIMES).rows
    assert row.warning == "no executor serves it"


def test_a_time_that_is_due_since_shows_its_age_and_never_a_negative_one() -> None:
    since, ahead = NOW - timedelta(minutes=7), NOW + timedelta(seconds=1)
    rows = queues_page([queue(oldest_due_at=since), queue(oldest_due_at=ahead)], None, None, TIMES).rows
    assert [row.age for row in rows] == ["7 min", "0 ms"]


def test_without_statistics_there_are_no_rates() -> None:
    [row] = queues_page([queue()], None, None, TIMES).rows
    assert (row.rate, row.starts) == ("", "")


def test_starts_are_counted_by_queue_and_step_of_the_last_hour() -> None:
    minutes = [StartsOfStep("mail", NOW - timedelta(minutes=ago), number) for ago, number in ((1, 3), (60, 1), (61, 9))]
    starts = starts_of(minutes, NOW)
    assert list(starts) == ["mail"]
    assert (starts["mail"][-1], sum(starts["mail"])) == (3, 3)


@given(st.lists(st.tuples(st.integers(-200, 200), st.integers(0, 2**60))))
def test_starts_of_any_minutes_have_a_bar_or_none(items: list[tuple[int, int]]) -> None:
    rows = [StartsOfStep("q", NOW - timedelta(minutes=minute), number) for minute, number in items]
    assert all(len(bars) == BARS for bars in starts_of(rows, NOW).values())


@pytest.mark.parametrize(
    ("number", "seconds", "text"), [(0, 60, "0/s"), (2460, 60, "41/s"), (132, 60, "2.2/s"), (3, 60, "3.0/min")]
)
def test_a_rate_has_the_unit_in_which_it_can_be_read(number: int, seconds: int, text: str) -> None:
    assert rate(number, timedelta(seconds=seconds)) == text
