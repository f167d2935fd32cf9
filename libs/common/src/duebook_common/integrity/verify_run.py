"""Invariants 3 and 9 in one run's stream: its attempts are fenced, it ends once, and its failures stay in the budget.

Checked without `decide`: the check must not trust what it checks.
"""

from collections.abc import Iterator, Sequence

from duebook_common.domain.run.ahead import LONGEST_LOOK_AHEAD
from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    FirstEvent,
    RunBuffered,
    RunCancelled,
    RunDeadLettered,
    RunDiscarded,
    RunErased,
    RunExpired,
    RunHeld,
    RunRedriven,
    RunRequeued,
    RunResumed,
    RunSkipped,
    Startable,
)
from duebook_common.integrity.breach import Breach, Invariant

_ENDS = (AttemptSucceeded, RunSkipped, RunExpired, RunCancelled, RunDiscarded)
_OUTCOMES = (AttemptSucceeded, AttemptFailed, AttemptLost, AttemptReleased)


def check_run(stream: str, events: Sequence[object]) -> Iterator[Breach]:
    """Every breach in the whole stream of a run."""
    if not isinstance(events[0], FirstEvent):
        yield Breach(Invariant.ACCOUNTED_FOR, stream, f"begins with {type(events[0]).__name__}")
        return
    yield from (Breach(Invariant.FENCED, stream, says) for says in _attempt_faults(events))
    yield from (Breach(Invariant.FENCED, stream, says) for says in _early_starts(events))
    yield from (Breach(Invariant.FENCED, stream, says) for says in _hold_faults(events))
    yield from (Breach(Invariant.EXACTLY_ONCE, stream, says) for says in _end_faults(events))
    yield from (Breach(Invariant.EXACTLY_ONCE, stream, says) for says in _budget_faults(events))


def _attempt_faults(events: Sequence[object]) -> Iterator[str]:
    """Attempts count up one by one, one is active at a time, and each has at most one outcome, its own."""
    current, active = 0, False
    for event in events:
        if isinstance(event, AttemptStarted):
            if active:
                yield f"attempt {event.attempt} started while attempt {current} was active"
            if event.attempt != current + 1:
                yield f"attempt {event.attempt} follows attempt {current}"
            current, active = event.attempt, True
        elif isinstance(event, _OUTCOMES) or (isinstance(event, RunCancelled) and event.attempt is not None):
            # A run whose attempt was lost may still be cancelled, and then names that attempt.
            cancelled_after_loss = isinstance(event, RunCancelled) and event.attempt == current
            if event.attempt != current or (not active and not cancelled_after_loss):
                name = type(event).__name__
                yield f"{name} of attempt {event.attempt}, but {current} is the last, active: {active}"
            active = False


def _early_starts(events: Sequence[object]) -> Iterator[str]:
    """No attempt starts before the time of the run's dispatch, unless a clock was set back in between."""
    first = events[0]
    assert isinstance(first, FirstEvent)
    for event in events:
        if isinstance(event, AttemptStarted) and event.at < first.at <= event.at + LONGEST_LOOK_AHEAD:
            yield f"attempt {event.attempt} started at {event.at}, before the run was due to start at {first.at}"


def _hold_faults(events: Sequence[object]) -> Iterator[str]:
    """Nothing is sent or started while the run is held."""
    held = False
    for event in events:
        if held and isinstance(event, RunRequeued | AttemptStarted):
            yield f"{type(event).__name__} while the run was held"
        if isinstance(event, RunHeld) or (isinstance(event, RunBuffered) and event.held):
            held = True
        elif isinstance(event, RunResumed | RunDeadLettered):
            held = False


def _end_faults(events: Sequence[object]) -> Iterator[str]:
    """At most one event ends the run, and only the erasure of its contents follows it."""
    ends = [n for n, event in enumerate(events) if isinstance(event, _ENDS)]
    after = events[ends[0] + 1 :] if ends else []
    if len(after) > 1 or any(not isinstance(event, RunErased) for event in after):
        yield f"{type(events[ends[0]]).__name__} is followed by {type(after[-1]).__name__}"
    if any(isinstance(event, RunErased) for event in events) and not ends:
        yield "RunErased before an end"


def _budget_faults(events: Sequence[object]) -> Iterator[str]:
    """No more failures than the budget, no retry before its failure, and a dead letter after the last failure."""
    first = events[0]
    budget = first.max_attempts if isinstance(first, Startable) else 0
    for event, following in zip(events, [*events[1:], None], strict=True):
        if isinstance(event, RunRedriven):
            budget = event.max_attempts
        if isinstance(event, AttemptFailed | AttemptLost):
            if event.failures > budget:
                yield f"{event.failures} failures, but only {budget} attempts were granted"
            if event.retry_at is not None and event.retry_at < event.at:
                yield "a retry before its failure"
            if event.retry_at is None and not isinstance(following, RunDeadLettered | RunCancelled):
                yield f"the last failure is followed by {type(following).__name__}, not by a dead letter"
