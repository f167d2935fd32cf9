"""The decisions about a run: commands to events.

Pure: time, chance and identifiers are arguments. A repeated command decides nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from duebook_common.domain.errors import StaleAttempt
from duebook_common.domain.run import interventions
from duebook_common.domain.run.ahead import instant_ahead
from duebook_common.domain.run.commands import (
    CancelRun,
    ConfirmCancel,
    DeferRun,
    DiscardRun,
    EraseRun,
    FailAttempt,
    HoldRun,
    LoseAttempt,
    RedriveRun,
    ReleaseAttempt,
    ResumeRun,
    RunCommand,
    StartAttempt,
    Succeed,
    TerminateRun,
    WakeRun,
)
from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    RunCancelled,
    RunDeferred,
    RunEvent,
    RunExpired,
    RunRedriven,
    RunRequeued,
)
from duebook_common.domain.run.losses import BURY_WITHIN, EXECUTOR_ENDED, LOST, dead_letter, lose
from duebook_common.domain.run.state import QUEUE_PAUSED, RATE, Run, RunStatus

_LONGEST_DELAY = timedelta(days=36500)  # a task may request more than a datetime can hold
_SOON = timedelta(seconds=1)
_FIRST_DEFERRAL, _DEFERRAL_FACTOR, _LONGEST_DEFERRAL = 0.25, 1.5, 30.0  # seconds


def expired(run: Run, now: datetime) -> bool:
    """Whether the run's `start_within` has passed before any attempt of it started."""
    return run.attempt == 0 and run.start_by is not None and now > run.start_by


def decide(  # noqa: C901, PLR0911, PLR0912 - one case for each command
    run: Run, command: RunCommand
) -> Sequence[RunEvent]:
    """The events that the command causes, in order; none if it is a repeat.

    Raises StaleAttempt for an outcome of an attempt that no longer owns the run, WrongStatus if an operator's
    command has no meaning in the run's status. Before the instant of a run that was decided ahead it is decided as at
    that instant.
    """
    if (instant := instant_ahead(run, command.now)) is not None:
        command = replace(command, now=instant)
    match command:
        case StartAttempt():
            return _start(run, command)
        case DeferRun():
            return _defer(run, command)
        case Succeed() | FailAttempt() | ReleaseAttempt() | ConfirmCancel():
            return _end_attempt(run, command)
        case WakeRun():
            return _wake(run, command)
        case LoseAttempt():
            return _lose_with_executor(run, command)
        case CancelRun():
            return interventions.cancel(run, command)
        case TerminateRun():
            return interventions.terminate(run, command)
        case RedriveRun():
            return interventions.redrive(run, command)
        case DiscardRun():
            return interventions.discard(run, command)
        case EraseRun():
            return interventions.erase(run, command)
        case HoldRun():
            return interventions.hold(run, command.now)
        case ResumeRun():
            return interventions.resume(run, command.now)
        case _:
            assert_never(command)


def _must_own(run: Run, attempt: int) -> None:
    if run.status is not RunStatus.RUNNING or run.attempt != attempt:
        raise StaleAttempt(run.id, attempt, run.attempt)


def _end_attempt(run: Run, command: Succeed | FailAttempt | ReleaseAttempt | ConfirmCancel) -> list[RunEvent]:
    """What the executor says of an attempt of its own."""
    _must_own(run, command.attempt)
    match command:
        case Succeed():
            return [AttemptSucceeded(attempt=run.attempt, result=command.result, at=command.now)]
        case FailAttempt():
            return _fail(run, command)
        case ReleaseAttempt():
            return _release(run, command)
        case ConfirmCancel():
            return [RunCancelled(attempt=run.attempt, given_up=command.given_up, reason=run.reason, at=command.now)]


def _start(run: Run, command: StartAttempt) -> list[RunEvent]:
    if run.status is not RunStatus.DISPATCHED or run.dispatch != command.dispatch:
        return []
    if expired(run, command.now):
        return [RunExpired(reason="deadline", at=command.now)]
    lease_end = command.now + command.lease
    return [AttemptStarted(attempt=run.attempt + 1, executor=command.executor, wake_at=lease_end, at=command.now)]


def _defer(run: Run, command: DeferRun) -> list[RunEvent]:
    """Send the run later: its queue is paused, its rate is exceeded, or another executor has its task, or will have."""
    if run.status is not RunStatus.DISPATCHED or run.dispatch != command.dispatch:
        return []
    if expired(run, command.now):
        return [RunExpired(reason="deadline", at=command.now)]
    if command.queue_paused:
        return [_wait_for_queue(command.executor, command.now)]
    if command.rate_wait is not None:
        return [_wait_for_rate(run, command.executor, command.now, command.rate_wait)]
    wake_at = command.now + _deferral(run, command.chance)
    return [RunDeferred(executor=command.executor, wake_at=wake_at, at=command.now)]


def _wait_for_queue(executor: str | None, now: datetime) -> RunDeferred:
    """The scheduler looks at the run soon, in case that the queue was resumed meanwhile."""
    return RunDeferred(executor=executor, reason=QUEUE_PAUSED, wake_at=now + _SOON, at=now)


def _wait_for_rate(run: Run, executor: str | None, now: datetime, wait: timedelta) -> RunDeferred:
    """The run waits in the line of its rate's key, at most until its deadline."""
    until_deadline = run.start_by - now if run.start_by is not None and run.attempt == 0 else wait
    return RunDeferred(executor=executor, reason=RATE, wake_at=now + min(wait, until_deadline), at=now)


def _deferral(run: Run, chance: float) -> timedelta:
    """Grows with each deferral in a row: the executors that have the task may be few, busy, or gone."""
    seconds = min(_FIRST_DEFERRAL * _DEFERRAL_FACTOR ** min(run.deferrals, 20), _LONGEST_DEFERRAL)
    return timedelta(seconds=seconds * (0.8 + 0.4 * chance))


def _fail(run: Run, command: FailAttempt) -> list[RunEvent]:
    if run.cancel_requested:
        return [RunCancelled(attempt=run.attempt, reason=run.reason, at=command.now)]
    failures = run.failures + 1
    retries = command.retry and failures < run.max_attempts
    wanted = command.delay if command.delay is not None else run.backoff.delay(failures, command.chance)
    delay = min(wanted, _LONGEST_DELAY)
    failed = AttemptFailed(
        attempt=run.attempt,
        error=command.error,
        failures=failures,
        retry_at=command.now + delay if retries else None,
        at=command.now,
    )
    if retries:
        return [failed]
    bury_within = timedelta(0) if command.acknowledged else BURY_WITHIN
    return [failed, dead_letter(run, failures, command.error, command.now, bury_within)]


def _release(run: Run, command: ReleaseAttempt) -> list[RunEvent]:
    if run.cancel_requested:
        return [RunCancelled(attempt=run.attempt, reason=run.reason, at=command.now)]
    return [AttemptReleased(attempt=run.attempt, at=command.now)]


def _wake(  # noqa: PLR0911 - one case for each state
    run: Run, command: WakeRun
) -> list[RunEvent]:
    """Take the attempt for lost, end an expired run, or send the run again."""
    if run.wake_at is None or (run.wake_at > command.now and not command.free):
        return []  # another scheduler was faster
    if run.status is RunStatus.RUNNING:
        return lose(run, LOST, command.chance, command.now, command.now)
    if not run.active:
        return []
    if expired(run, command.now):
        return [RunExpired(reason="deadline", at=command.now)]
    if command.job_deleted:
        return [RunCancelled(attempt=None, reason="the job was deleted", at=command.now)]
    if run.status is RunStatus.WAITING and (run.held or not command.free):
        return []
    if command.queue_paused:
        return [] if run.status is RunStatus.WAITING else [_wait_for_queue(None, command.now)]
    if not command.has_executor:
        waits = run.status is RunStatus.WAITING
        later = command.now + _deferral(run, command.chance)
        return [] if waits else [RunDeferred(executor=None, wake_at=later, at=command.now)]
    if run.rate is not None and run.status is RunStatus.RETRYING:  # a retry is a start as well
        return [_wait_for_rate(run, None, command.now, timedelta(0))]
    return [RunRequeued(dispatch=run.dispatch + 1, wake_at=command.now + command.look_again_after, at=command.now)]


def _lose_with_executor(run: Run, command: LoseAttempt) -> list[RunEvent]:
    """The name of an executor is that of one start of one process, so a run that it still has is lost with it."""
    if run.status is not RunStatus.RUNNING or run.executor != command.executor:
        return []
    return lose(run, EXECUTOR_ENDED, command.chance, command.ended_at, command.now)


def redriven(events: Sequence[RunEvent]) -> bool:
    """Whether the run became active again: if its job is held, it must be held too."""
    return any(isinstance(event, RunRedriven) for event in events)


def pauses_job(run: Run) -> bool:
    """Whether the run, just dead-lettered, pauses its job in the same transaction."""
    return run.pause_on_failure and run.status is RunStatus.DEAD_LETTERED


def needs_job_lock(run: Run, events: Sequence[RunEvent]) -> bool:
    """Whether the events may be recorded under the lock of the run's job only; `run` is the run after them.

    A run's own life needs no lock, since its version detects conflicts. But a dead letter may pause the job, and a
    redrive makes a run active again while a decision about the job counts its active runs.
    """
    return pauses_job(run) or redriven(events)
