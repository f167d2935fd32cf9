"""What `verify` finds in a run's stream: nothing in one that `decide` made, and each planted fault."""

from collections.abc import Sequence
from typing import Any

import pytest

from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    RunCancelled,
    RunDeadLettered,
    RunEvent,
    RunHeld,
    RunRedriven,
    RunRequeued,
    RunResumed,
)
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verify_run import check_run
from support.samples import MINUTE, NOW, SECOND, a_dispatch

DEAD = RunDeadLettered(dispatch=1, failures=1, error="boom", fingerprint="f", wake_at=NOW, at=NOW)
REDRIVEN = RunRedriven(max_attempts=1, reason=None, at=NOW)
REQUEUED = RunRequeued(dispatch=2, wake_at=NOW + MINUTE, at=NOW)
HELD, RESUMED = RunHeld(at=NOW), RunResumed(wake_at=NOW, at=NOW)


def started(attempt: int) -> AttemptStarted:
    return AttemptStarted(attempt=attempt, executor="e", wake_at=NOW + MINUTE, at=NOW)


def succeeded(attempt: int) -> AttemptSucceeded:
    return AttemptSucceeded(attempt=attempt, result=None, at=NOW)


def failed(attempt: int, failures: int = 1, **changes: Any) -> AttemptFailed:
    facts: dict[str, Any] = {"attempt": attempt, "error": "boom", "failures": failures, "retry_at": NOW + SECOND}
    return AttemptFailed(**facts | changes, at=NOW)


def breaches(*later: RunEvent, max_retries: int = 1) -> list[Breach]:
    return list(check_run("run-1", [a_dispatch(max_retries=max_retries), *later]))


SOUND: list[Sequence[RunEvent]] = [
    [],
    [started(1), succeeded(1)],
    [started(1), failed(1), REQUEUED, started(2), succeeded(2)],
    [started(1), HELD, failed(1), RESUMED, REQUEUED, started(2), succeeded(2)],
    [started(1), HELD, succeeded(1)],
    [started(1), AttemptReleased(attempt=1, at=NOW), started(2), succeeded(2)],
    [started(1), failed(1), RunCancelled(attempt=1, reason=None, at=NOW)],
    [RunCancelled(attempt=None, reason=None, at=NOW)],
    [started(1), failed(1, retry_at=None), DEAD, REDRIVEN, started(2), failed(2, retry_at=None), DEAD],
]


@pytest.mark.parametrize("later", SOUND)
def test_a_sound_stream_has_no_breach(later: Sequence[RunEvent]) -> None:
    assert breaches(*later) == []


FAULTS: list[tuple[Invariant, str, Sequence[RunEvent]]] = [
    (Invariant.FENCED, "started while attempt 1 was active", [started(1), started(2)]),
    (Invariant.FENCED, "attempt 3 follows attempt 1", [started(1), failed(1), started(3)]),
    (Invariant.FENCED, "attempt 1 follows attempt 1", [started(1), failed(1), started(1)]),
    (Invariant.FENCED, "of attempt 1, but 2 is the last", [started(1), failed(1), started(2), succeeded(1)]),
    (Invariant.FENCED, "but 1 is the last, active: False", [started(1), failed(1), failed(1)]),
    (Invariant.FENCED, "RunRequeued while the run was held", [HELD, REQUEUED]),
    (Invariant.EXACTLY_ONCE, "is followed by AttemptStarted", [started(1), succeeded(1), started(2)]),
    (Invariant.EXACTLY_ONCE, "3 failures, but only 2", [started(1), failed(1, failures=3)]),
    (Invariant.EXACTLY_ONCE, "a retry before its failure", [started(1), failed(1, retry_at=NOW - SECOND)]),
    (Invariant.EXACTLY_ONCE, "followed by NoneType, not by a dead letter", [started(1), failed(1, retry_at=None)]),
    (Invariant.EXACTLY_ONCE, "2 failures, but only 1", [started(1), failed(1, retry_at=None), DEAD, REDRIVEN,
                                                       started(2), failed(2, failures=2)]),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "says", "later"), FAULTS)
def test_each_fault_is_a_breach(invariant: Invariant, says: str, later: Sequence[RunEvent]) -> None:
    (breach,) = breaches(*later)
    assert (breach.invariant, breach.stream) == (invariant, "run-1")
    assert says in breach.says


def test_a_stream_without_its_first_event_is_a_breach() -> None:
    (breach,) = check_run("run-1", [started(1)])
    assert breach == Breach(Invariant.ACCOUNTED_FOR, "run-1", "begins with AttemptStarted")
