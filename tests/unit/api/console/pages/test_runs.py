"""How long the last attempt of a run took."""

from datetime import timedelta
from typing import Any

import pytest

from duebook_api.console.pages.runs import longest_of, runs_page, runs_sentence, took
from duebook_api.console.pages.times import Times
from duebook_api.runs.run_list import RunQuery
from support.samples import NOW

SECOND = timedelta(seconds=1)
_OTHERS = ("id", "job_id", "job_name", "task", "queue", "reason", "error", "due_at", "executor", "trigger")


def a_run(status: str, seconds: float | None) -> dict[str, Any]:
    """A run that was started a minute ago, and ended after so many seconds."""
    started = NOW - 60 * SECOND
    return {
        "status": status,
        "started_at": started,
        "finished_at": None if seconds is None else started + seconds * SECOND,
    }


@pytest.mark.parametrize(
    ("status", "seconds", "expected"),
    [
        ("succeeded", 2, 2),
        ("dead_lettered", 3, 3),
        ("running", None, 60),
        ("succeeded", -1, 0),  # clocks of two machines
        ("discarded", 50, None),
        ("cancelled", 50, None),
        ("retrying", None, None),
        ("dispatched", None, None),  # redriven
    ],
)
def test_a_duration_ends_with_the_attempt_and_not_with_a_decision(
    status: str, seconds: float | None, expected: float | None
) -> None:
    assert took(a_run(status, seconds), NOW) == (None if expected is None else expected * SECOND)


def test_the_scale_is_that_of_the_durations_that_are_known() -> None:
    runs = [
        a_run("discarded", 50),
        a_run("succeeded", 2),
        {"status": "waiting", "started_at": None, "finished_at": None},
    ]
    assert longest_of(runs, NOW) == 2 * SECOND
    assert longest_of([], NOW) == timedelta(0)


def test_the_sentence_says_whether_there_are_more_runs_than_it_counts() -> None:
    runs = [a_run("succeeded", 2), a_run("dead_lettered", 3)]
    counts = "1 succeeded, 1 dead letter. The longest took 3 s."
    assert runs_sentence(runs, NOW) == f"2 runs: {counts}"
    assert runs_sentence(runs, NOW, is_all=False) == f"2 runs on this page: {counts}"
    assert runs_sentence([], NOW) == ""


@pytest.mark.parametrize(("attempt", "text"), [(0, ""), (1, "1"), (3, "3"), (5, "5")])
def test_attempts_are_a_number_alone_as_each_redrive_grants_more(attempt: int, text: str) -> None:
    run = dict.fromkeys(_OTHERS, "x") | a_run("dead_lettered", 3) | {"attempt": attempt, "max_attempts": 4}
    [row] = runs_page([run], RunQuery(), Times(NOW)).rows
    assert row.attempts == text
