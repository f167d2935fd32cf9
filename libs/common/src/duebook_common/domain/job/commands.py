"""The commands of a job, from people and from schedulers, each with the facts that its decision needs.

`decide` turns them into events.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.domain.definition import Definition, Overlap
from duebook_common.domain.job.events import FollowUpRefused
from duebook_common.domain.job.schedule_history import DefinitionVersion
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionContext:
    """What a decision about due occurrences and new runs depends on besides the job.

    `misfire`: an occurrence that has been due for longer is missed, and the catch-up policy applies.
    `look_again_after`: how long a new run may wait for its start before the scheduler checks for its message.
    `has_executor`: an executor of the job's queue has its task; otherwise new runs wait for one.
    `dispatch`: 1 if the caller sends the messages of new runs itself, 0 if it leaves that to the scheduler.
    `pauses`: those of the job's queue and of the installation that ended after its first due time, or go on.
    `max_active`: how many active runs a job may have. Beyond it a command is refused, and an occurrence is skipped.
    """

    now: datetime
    misfire: timedelta
    look_again_after: timedelta
    dispatch: int
    max_active: int = 1_000
    has_executor: bool = True
    pauses: Sequence[Pause] = ()

    @property
    def paused(self) -> bool:
        """Whether the job's queue is paused now: none of its runs is sent."""
        return any(pause.going_on for pause in self.pauses)


@dataclass(frozen=True, slots=True)
class ChangeJob:
    """Replace the definition. `run_exists`: the job already has a run for the new `scheduled_at`."""

    definition: Definition
    context: DecisionContext
    run_exists: bool


@dataclass(frozen=True, slots=True)
class PauseJob:
    """`hold`: its runs start no attempt until the resume; then a finished job with active runs can be paused too."""

    reason: str | None
    context: DecisionContext
    hold: bool = False


@dataclass(frozen=True, slots=True)
class PauseOnDeadLetter:
    """The run was dead-lettered, and its definition sets `pause_on_failure`.

    `pauses`: those of the job's queue and of the installation that ended after its first due time, or go on.
    """

    run: Run
    pauses: Sequence[Pause] = ()


@dataclass(frozen=True, slots=True)
class HoldRuns:
    """Hold the runs that became active again, if the job is held."""

    now: datetime


@dataclass(frozen=True, slots=True)
class ResumeJob:
    reason: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class DeleteJob:
    now: datetime


@dataclass(frozen=True, slots=True)
class EraseJob:
    """Erase the contents of a deleted job and of its runs. `dead_letters`: some of its runs are dead letters."""

    reason: str | None
    now: datetime
    dead_letters: bool = False


@dataclass(frozen=True, slots=True)
class TriggerRun:
    """Start a run now. `earlier` is the run that the same Idempotency-Key has started before, if any.

    `repeats`: the ended run that it repeats, for the same nominal time. `cause`: the bulk operation of which it
    is, or the run that it follows.
    """

    run_id: UUID
    overlap: Overlap
    context: DecisionContext
    payload: Any = None
    own_payload: bool = False
    request_hash: str | None = None
    earlier: Run | None = None
    repeats: Run | None = None
    cause: UUID | None = None
    trigger: Trigger = Trigger.MANUAL


@dataclass(frozen=True, slots=True)
class RefuseFollowUp:
    """Record why an end of a run triggers nothing. `recorded`: that was done before."""

    refusal: FollowUpRefused
    recorded: bool


class PastOccurrence(NamedTuple):
    """A nominal time to be backfilled, with the definition in force at it. `run` is its backfill, if it has one."""

    nominal_at: datetime
    version: DefinitionVersion
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Backfill:
    """Open runs for past nominal times, in order; those that have been backfilled before stay as they are."""

    occurrences: Sequence[PastOccurrence]
    overlap: Overlap
    context: DecisionContext


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Decide the occurrences that are due, if the job's `wake_at` has passed."""

    context: DecisionContext


@dataclass(frozen=True, slots=True)
class AdmitWaiting:
    """Admit the waiting runs in `free`: no other run, nor the limit of a concurrency key, holds them back.

    The caller holds the locks of the job and of the keys. Waiting runs that expired end as well.
    """

    free: frozenset[UUID]
    now: datetime
    look_again_after: timedelta


JobCommand = (
    ChangeJob
    | PauseJob
    | PauseOnDeadLetter
    | HoldRuns
    | ResumeJob
    | DeleteJob
    | EraseJob
    | TriggerRun
    | RefuseFollowUp
    | Backfill
    | Dispatch
    | AdmitWaiting
)
