"""The decisions about what people and other runs command of a run: to stop, hold, redrive, discard or erase it."""

from datetime import datetime

from duebook_common.domain.errors import OutcomePending, WrongStatus
from duebook_common.domain.run.commands import CancelRun, DiscardRun, EraseRun, RedriveRun, TerminateRun
from duebook_common.domain.run.events import (
    RunCancelled,
    RunCancelRequested,
    RunDiscarded,
    RunErased,
    RunEvent,
    RunHeld,
    RunRedriven,
    RunResumed,
)
from duebook_common.domain.run.state import ENDED, Run, RunStatus


def cancel(run: Run, command: CancelRun) -> list[RunEvent]:
    if run.status is RunStatus.CANCELLED or run.cancel_requested:
        return []
    if run.status is RunStatus.RUNNING:
        return [RunCancelRequested(reason=command.reason, at=command.now)]
    if run.status in ENDED or run.status is RunStatus.DEAD_LETTERED:
        raise WrongStatus(f"run {run.id}", run.status, "waiting, dispatched, running or retrying")
    return [RunCancelled(attempt=None, reason=command.reason, at=command.now)]


def terminate(run: Run, command: TerminateRun) -> list[RunEvent]:
    if not run.active:
        return []
    attempt = run.attempt if run.status is RunStatus.RUNNING else None
    return [RunCancelled(attempt=attempt, reason=command.reason, at=command.now)]


def redrive(run: Run, command: RedriveRun) -> list[RunEvent]:
    if run.status is not RunStatus.DEAD_LETTERED:
        raise WrongStatus(f"run {run.id}", run.status, RunStatus.DEAD_LETTERED)
    return [
        RunRedriven(
            max_attempts=command.max_attempts,
            reason=command.reason,
            payload=command.payload,
            own_payload=command.own_payload,
            waits=run.concurrency is not None or run.rate is not None,
            at=command.now,
        )
    ]


def discard(run: Run, command: DiscardRun) -> list[RunEvent]:
    if run.status is RunStatus.DISCARDED:
        return []
    if run.status is not RunStatus.DEAD_LETTERED:
        raise WrongStatus(f"run {run.id}", run.status, RunStatus.DEAD_LETTERED)
    return [RunDiscarded(reason=command.reason, at=command.now)]


def erase(run: Run, command: EraseRun) -> list[RunEvent]:
    if run.erased_at is not None:
        return []
    if run.status not in ENDED:
        first = "; discard it first" if run.status is RunStatus.DEAD_LETTERED else "; cancel it, or wait for its end"
        raise WrongStatus(f"run {run.id}", run.status, f"succeeded, skipped, cancelled or discarded{first}")
    if command.pending:
        raise OutcomePending(run.id)
    return [RunErased(reason=command.reason, at=command.now)]


def hold(run: Run, now: datetime) -> list[RunEvent]:
    if not run.active or run.held:
        return []
    retry_at = run.wake_at if run.status is RunStatus.RETRYING else None
    return [RunHeld(not_before=retry_at if retry_at is not None and retry_at > now else None, at=now)]


def resume(run: Run, now: datetime) -> list[RunEvent]:
    """A run that was held is due again at its own time, if that lies ahead, else at once."""
    if not run.active or not run.held:
        return []
    wake_at = max(now, run.due_at, run.not_before or now)
    return [RunResumed(wake_at=None if run.status is RunStatus.RUNNING else wake_at, at=now)]
