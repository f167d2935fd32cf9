"""The invariants of one run's stream, judged without `decide`: what `verify` trusts must not be what it checks."""

from collections.abc import Iterator, Sequence

from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    FirstEvent,
    RunCancelled,
    RunDeadLettered,
    RunDiscarded,
    RunExpired,
    RunRedriven,
    RunSkipped,
    Startable,
)

_ENDS = (AttemptSucceeded, RunSkipped, RunExpired, RunCancelled, RunDiscarded)
_OUTCOMES = (AttemptSucceeded, AttemptFailed, AttemptLost, AttemptReleased)

Fault = tuple[str, str]


def check_run(events: Sequence[object]) -> Iterator[Fault]:
    """The invariants that the events breach, by name, with what is wrong."""
    if not isinstance(events[0], FirstEvent):
        yield "S6", f"begins with {type(events[0]).__name__}"
        return
    yield from _one_end(events)
    yield from _fenced(events)
    yield from _within_budget(events)


def _one_end(events: Sequence[object]) -> Iterator[Fault]:
    """S3: at most one end, and nothing after it."""
    ends = [n for n, event in enumerate(events) if isinstance(event, _ENDS)]
    if ends and ends[0] != len(events) - 1:
        yield "S3", f"{type(events[ends[0]]).__name__} is followed by {type(events[ends[0] + 1]).__name__}"


def _fenced(events: Sequence[object]) -> Iterator[Fault]:
    """S4, S5: attempts count up one by one, one at a time, and each has at most one outcome, its own."""
    current, active = 0, False
    for event in events:
        if isinstance(event, AttemptStarted):
            if active:
                yield "S4", f"attempt {event.attempt} started while attempt {current} was active"
            if event.attempt != current + 1:
                yield "S5", f"attempt {event.attempt} follows attempt {current}"
            current, active = event.attempt, True
        elif isinstance(event, _OUTCOMES) or (isinstance(event, RunCancelled) and event.attempt is not None):
            after_loss = isinstance(event, RunCancelled) and event.attempt == current
            if event.attempt != current or (not active and not after_loss):
                yield (
                    "S4",
                    f"{type(event).__name__} of attempt {event.attempt}, but {current} is the last, active: {active}",
                )
            active = False


def _within_budget(events: Sequence[object]) -> Iterator[Fault]:
    """S7: no more failures than the budget, retries not before their time, and its end is a dead letter."""
    opening = events[0]
    budget = opening.max_attempts if isinstance(opening, Startable) else 0
    for event, following in zip(events, [*events[1:], None], strict=True):
        if isinstance(event, RunRedriven):
            budget = event.max_attempts
        if isinstance(event, AttemptFailed | AttemptLost):
            if event.failures > budget:
                yield "S7", f"{event.failures} failures, but only {budget} attempts were granted"
            if event.retry_at is not None and event.retry_at < event.at:
                yield "S7", "a retry before its failure"
            if event.retry_at is None and not isinstance(following, RunDeadLettered | RunCancelled):
                yield "S7", f"the last failure is followed by {type(following).__name__}, not by a dead letter"
