"""Whether the next occurrence of a job may be decided before it is due: only where nothing can change the decision.

And which commands wait until such a run has begun.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from duebook_common.domain.job.commands import (
    Backfill,
    ChangeJob,
    DecisionContext,
    DeleteJob,
    JobCommand,
    PauseJob,
    ResumeJob,
)
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.ahead import decided_ahead, started_ahead
from duebook_common.domain.run.state import Run


def decision_time(job: Job, active: Sequence[Run], context: DecisionContext) -> datetime | None:
    """The time at which to decide what the job has due: now, or the instant at which it will be; None for not yet."""
    due_at = job.wake_at
    if due_at is None or due_at <= context.now:
        return context.now
    return due_at if _is_certain(job, active, context) else None


def _is_certain(job: Job, active: Sequence[Run], context: DecisionContext) -> bool:
    """No other run, key, rate, hold, pause or backlog holds the run back, and an executor has its task."""
    definition = job.definition
    limited = definition.concurrency is not None or definition.rate is not None
    held_back = job.held or job.backlog_since is not None or bool(context.pauses)
    return context.has_executor and not active and not limited and not held_back


class Wait(NamedTuple):
    """A command waits for this instant (UTC), `seconds` from its own time."""

    instant: datetime
    seconds: float


def awaited_instant(command: JobCommand, active: Sequence[Run]) -> Wait | None:
    """The instant that the command has to wait for, because a run was decided ahead of it; None if there is none.

    So a pause, a resume, a change and a backfill are decided as if they had come at that instant: what they meet has
    begun. A deletion cancels what has not started, and waits for what has.
    """
    match command:
        case ChangeJob() | PauseJob() | Backfill():
            now, instant = command.context.now, decided_ahead(active, command.context.now)
        case ResumeJob():
            now, instant = command.now, decided_ahead(active, command.now)
        case DeleteJob():
            now, instant = command.now, started_ahead(active, command.now)
        case _:
            return None
    return None if instant is None else Wait(instant, (instant - now).total_seconds())
