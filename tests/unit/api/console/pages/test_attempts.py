from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from duebook_api.console.pages.attempts import RunEvent, attempts_of, lineage_of, run_events

START = datetime(2026, 11, 26, 2, tzinfo=UTC)


def _events(*events: tuple[str, dict[str, Any]]) -> list[RunEvent]:
    answers = [
        {
            "type": type_,
            "data": orjson.Fragment(orjson.dumps({"at": START + timedelta(seconds=n)} | data)),
            "meta": {"actor": "ops"},
            "recorded_at": START,
        }
        for n, (type_, data) in enumerate(events)
    ]
    return run_events(answers)


def test_attempts_have_their_executor_end_and_error() -> None:
    retry_at = "2026-11-26T02:05:00Z"
    events = _events(
        ("RunDispatched", {}),
        ("AttemptStarted", {"attempt": 1, "executor": "one"}),
        ("AttemptFailed", {"attempt": 1, "error": "boom", "retry_at": retry_at}),
        ("AttemptStarted", {"attempt": 2, "executor": "two"}),
        ("AttemptLost", {"attempt": 2, "error": "silent", "retry_at": None}),
        ("AttemptStarted", {"attempt": 3, "executor": "three"}),
    )
    attempts = attempts_of(events)
    assert [(each.outcome, each.status, each.executor, each.error) for each in attempts] == [
        ("failed", "retrying", "one", "boom"),
        ("lost", "dead_lettered", "two", "silent"),
        ("running", "running", "three", ""),
    ]
    assert attempts[0].retry_at == datetime.fromisoformat(retry_at)


def test_the_cancellation_of_a_run_that_waits_ends_no_attempt_twice() -> None:
    events = _events(
        ("AttemptStarted", {"attempt": 1, "executor": "one"}),
        ("AttemptReleased", {"attempt": 1}),
        ("RunCancelled", {"attempt": None, "reason": "no"}),
    )
    assert [(each.outcome, each.error) for each in attempts_of(events)] == [("released", "")]


def test_the_lineage_names_deaths_and_who_redrove_why() -> None:
    events = _events(
        ("RunDeadLettered", {"error": "boom"}), ("RunRedriven", {"reason": "is back", "own_payload": True})
    )
    steps = lineage_of(events)
    assert [(each.word, each.by, each.reason, each.edited) for each in steps] == [
        ("dead", "", "", False),
        ("redriven", "ops", "is back", True),
    ]
