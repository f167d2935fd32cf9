"""The decisions about a job: commands to events, of the job itself and of its runs.

Pure: time and identifiers are arguments. A repeated command decides nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import assert_never
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.errors import JobDeletedAlready, WrongStatus
from duebook_common.domain.job.admission import waiting_in_order
from duebook_common.domain.job.change import change
from duebook_common.domain.job.commands import (
    AdmitWaiting,
    Backfill,
    ChangeJob,
    DecisionContext,
    DeleteJob,
    Dispatch,
    EraseJob,
    HoldRuns,
    JobCommand,
    PauseJob,
    PauseOnDeadLetter,
    RefuseFollowUp,
    ResumeJob,
    TriggerRun,
)
from duebook_common.domain.job.events import Fact, JobCreated, JobDeleted, JobErased, JobFinished, JobPaused, JobResumed
from duebook_common.domain.job.hold import active_after, hold_runs, resume_runs
from duebook_common.domain.job.new_runs import backfill, trigger_run
from duebook_common.domain.job.occurrence import account, decide_due, kept_back, skip_due
from duebook_common.domain.job.state import Job, JobStatus, job_after
from duebook_common.domain.run.commands import CancelRun, WakeRun
from duebook_common.domain.run.decide import decide as decide_run
from duebook_common.domain.run.events import RunFact
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.domain.schedule.due import next_occurrence

_NOT_STARTED = frozenset({RunStatus.WAITING, RunStatus.DISPATCHED, RunStatus.RETRYING})
_ON_TIME = timedelta(minutes=1)  # an executor, which does not know the setting, decides about pauses only


def create(job_id: UUID, definition: Definition, now: datetime, request_hash: str | None = None) -> JobCreated:
    """The first event of a new job. `request_hash` identifies a request that carried an Idempotency-Key."""
    first = next_occurrence(job_id, definition, None)
    return JobCreated(definition=definition, **first._asdict(), request_hash=request_hash, at=now)


def decide(  # noqa: C901, PLR0911, PLR0912 - one case for each command
    job: Job, active: Sequence[Run], command: JobCommand
) -> Sequence[Fact]:
    """The events that the command causes, in order; none if it is a repeat. `active` are the job's active runs.

    Raises JobDeletedAlready, WrongStatus if the command has no meaning in the job's status, and KeyReused.
    """
    match command:
        case Dispatch():
            return _dispatch(job, active, command.context)
        case AdmitWaiting():
            return _admit(job, active, command)
        case TriggerRun():
            return trigger_run(job, active, command)
        case RefuseFollowUp():
            return [] if command.recorded else [command.refusal]
        case Backfill():
            return backfill(job, active, command)
        case ChangeJob():
            return _change(job, active, command)
        case PauseJob():
            return _pause(job, active, command)
        case PauseOnDeadLetter():
            return _pause_on_dead_letter(job, active, command)
        case HoldRuns():
            return hold_runs(active, command.now) if job.held else []
        case ResumeJob():
            return _resume(job, active, command)
        case DeleteJob():
            return _delete(job, active, command.now)
        case EraseJob():
            return _erase(job, active, command)
        case _:
            assert_never(command)


def _dispatch(job: Job, active: Sequence[Run], context: DecisionContext) -> Sequence[Fact]:
    if job.wake_at is None or job.wake_at > context.now:
        return []  # another scheduler was faster
    return account(job, active, context)


def _admit(job: Job, active: Sequence[Run], command: AdmitWaiting) -> Sequence[Fact]:
    facts: list[RunFact] = []
    for run in waiting_in_order(active):
        wake = WakeRun(
            command.now,
            chance=0,  # of no effect: a waiting run has no attempt that could be lost
            look_again_after=command.look_again_after,
            job_deleted=job.status is JobStatus.DELETED,
            free=run.id in command.free,
        )
        facts += [RunFact(run.id, event) for event in decide_run(run, wake)]
    return facts


def _change(job: Job, active: Sequence[Run], command: ChangeJob) -> Sequence[Fact]:
    """Decide by the old definition what is due, then replace the definition."""
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    wanted, now = command.definition, command.context.now
    if wanted.same(job.definition):
        return []
    # If the schedule stays the same, occurrences of a paused catch-up stay due and run by the new definition.
    held_reason = None if wanted.same_schedule(job.definition) else "changed"
    decided = decide_due(job, active, command.context, held_reason)
    after = job_after(job, decided)
    if replace(after, definition=wanted).exhausted:  # the change ends the job, so nothing may stay due
        skipped = skip_due(after, "max_runs", now)
        decided, after = [*decided, *skipped], job_after(after, skipped)
    return [*decided, *change(after, wanted, now, run_exists=command.run_exists)]


def _pause(job: Job, active: Sequence[Run], command: PauseJob) -> Sequence[Fact]:
    """Decide what is due, then pause. With `hold` a job that is paused without it is paused again."""
    now, hold = command.context.now, command.hold
    if job.status is JobStatus.PAUSED and (job.held or not hold):
        return []
    decided = decide_due(job, active, command.context, "paused")
    others = active_after(active, decided) if hold else []
    after = job_after(job, decided)  # its last occurrence may have been due
    if not others or after.status is not JobStatus.FINISHED:
        _must_not_have_ended(after, "active, or have active runs to hold" if hold else "active")
    return [*decided, JobPaused(reason=command.reason, hold=hold, at=now), *hold_runs(others, now)]


def _pause_on_dead_letter(job: Job, active: Sequence[Run], command: PauseOnDeadLetter) -> Sequence[Fact]:
    """Pause an active job because its run was dead-lettered.

    What is due at that moment is skipped, but decided if a pause of its queue kept it back: without that pause it would
    have run before the dead letter.
    """
    run, now = command.run, command.run.finished_at
    if job.status is not JobStatus.ACTIVE or now is None:
        return []
    context = DecisionContext(
        now=now, misfire=_ON_TIME, look_again_after=_ON_TIME, dispatch=0, pauses=command.pauses
    )  # fmt: skip
    if kept_back(job, active, context):
        decided = decide_due(job, active, context, "paused")
    else:
        decided = [*skip_due(job, "paused", now)]
    if job_after(job, decided).status is not JobStatus.ACTIVE:
        return decided
    reason = f"run {run.id} was dead-lettered"  # without the error, which can be erased with the run
    return [*decided, JobPaused(reason=reason, at=now)]


def _resume(job: Job, active: Sequence[Run], command: ResumeJob) -> Sequence[Fact]:
    """Skip what fell into the pause, and continue with the next occurrence and with the runs that were held."""
    _must_not_have_ended(job, "paused")
    if job.status is not JobStatus.PAUSED:
        return []
    skipped = skip_due(job, "paused", command.now)
    after = job_after(job, skipped)
    resumed = JobResumed(reason=command.reason, next_at=after.next_at, next_due_at=after.next_due_at, at=command.now)
    ends = [JobFinished(at=command.now)] if after.next_at is None or after.exhausted else []
    return [*skipped, resumed, *ends, *resume_runs(active, command.now)]


def _must_not_have_ended(job: Job, wanted: str) -> None:
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    if job.status is JobStatus.FINISHED:
        raise WrongStatus(f"job {job.id}", job.status, wanted)


def _delete(job: Job, active: Sequence[Run], now: datetime) -> Sequence[Fact]:
    """End the job: skip what is due, and cancel the runs that have not started."""
    if job.status is JobStatus.DELETED:
        return []
    skipped = skip_due(job, "paused" if job.status is JobStatus.PAUSED else "deleted", now)
    cancel = CancelRun("the job was deleted", now)
    not_started = [run for run in active if run.status in _NOT_STARTED]
    cancelled = [RunFact(run.id, event) for run in not_started for event in decide_run(run, cancel)]
    return [*skipped, JobDeleted(at=now.astimezone(UTC)), *cancelled]


def _erase(job: Job, active: Sequence[Run], command: EraseJob) -> Sequence[Fact]:
    if job.erased_at is not None:
        return []
    if job.status is not JobStatus.DELETED:
        raise WrongStatus(f"job {job.id}", job.status, "deleted; delete it first, or erase some of its runs")
    if active or command.dead_letters:
        status = "with runs that have not ended" if active else "with dead letters"
        raise WrongStatus(f"job {job.id} is deleted", status, "without; wait, cancel or discard them first")
    return [JobErased(reason=command.reason, at=command.now)]
