"""The first event of a new run, whatever opens it, and what the overlap policy does to other runs of its job."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.domain.definition import Notify, Overlap
from duebook_common.domain.errors import JobDeletedAlready, KeyReused, TooManyActiveRuns, WrongStatus
from duebook_common.domain.job.backlog import apply_beside_caught_up
from duebook_common.domain.job.commands import Backfill, DecisionContext, PastOccurrence, TriggerRun
from duebook_common.domain.job.overlap import ActiveRuns, OverlapDecision, apply_overlap
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import BY_SCHEDULE, RunBuffered, RunDispatched, RunFact, RunSkipped, Trigger
from duebook_common.domain.run.ids import run_id_of_backfill
from duebook_common.domain.run.state import ENDED, HELD, QUEUE_PAUSED, RATE, Run, RunStatus
from duebook_common.domain.schedule.due import Occurrence

_SOON = timedelta(seconds=1)
_ENDS = "succeeded, cancelled, skipped or discarded"
_NEVER = datetime.max.replace(tzinfo=UTC)


class NewRun(NamedTuple):
    """A run to be opened. `payload` counts if `own_payload` is set; otherwise the definition's does.

    `backlog`: it waits in the backlog of the policy `all`, or of a pause, which ended at `resumed_at`.
    """

    id: UUID
    occurrence: Occurrence
    trigger: Trigger
    overlap: Overlap
    start_by: datetime | None = None
    payload: Any = None
    own_payload: bool = False
    request_hash: str | None = None
    backlog: bool = False
    cause: UUID | None = None
    resumed_at: datetime | None = None


def open_run(job: Job, new: NewRun, others: ActiveRuns, context: DecisionContext) -> list[RunFact]:
    """The events that the overlap policy causes in other runs, then the first event of the new run.

    Raises TooManyActiveRuns if the job may have no further active run; an occurrence of the schedule is skipped then.
    """
    blocking = others.blocking(new.trigger)
    reason = _replacement(new) if blocking else ""
    apply = apply_beside_caught_up if new.trigger in BY_SCHEDULE and not new.backlog else apply_overlap
    decision, facts = apply(new.overlap, blocking, context.now, reason)
    backlog = new.backlog or decision is OverlapDecision.WAIT_FOR_CAUGHT_UP
    identity = run_identity(job, new.occurrence, new.trigger, context) | {"cause": new.cause}
    if decision is OverlapDecision.SKIP:
        return [*facts, RunFact(new.id, RunSkipped(**identity, reason="overlap"))]
    if others.count >= context.max_active and others.count_after(facts) >= context.max_active:
        if new.trigger not in BY_SCHEDULE:
            raise TooManyActiveRuns(job.id, others.count + 1, context.max_active)
        return [*facts, RunFact(new.id, RunSkipped(**identity, reason="max_active_runs"))]
    own = {
        "start_by": new.start_by,
        "payload": new.payload,
        "own_payload": new.own_payload,
        "request_hash": new.request_hash,
        "resumed_at": new.resumed_at,
    }
    at_once = max(context.now, new.occurrence.due_at)
    later = min(context.now + context.look_again_after, new.start_by or _NEVER)
    first: RunBuffered | RunDispatched
    if decision in {OverlapDecision.WAIT, OverlapDecision.WAIT_FOR_CAUGHT_UP}:  # their end wakes it earlier
        first = RunBuffered(**identity, **own, reason="overlap", wake_at=later, backlog=backlog, held=job.held)
    elif job.held:
        first = RunBuffered(**identity, **own, reason=HELD, wake_at=later, held=True)
    elif context.paused:  # the resume of the queue wakes it
        soon = min(context.now + _SOON, new.start_by or _NEVER)  # in case that it was resumed meanwhile
        first = RunBuffered(**identity, **own, reason=QUEUE_PAUSED, wake_at=soon)
    elif job.definition.concurrency is not None:  # the scheduler admits it once its key has a free slot
        first = RunBuffered(**identity, **own, reason="concurrency", wake_at=at_once)
    elif job.definition.rate is not None:  # the scheduler admits it in its turn
        first = RunBuffered(**identity, **own, reason=RATE, wake_at=at_once)
    elif not context.has_executor:
        soon = min(context.now + _SOON, new.start_by or _NEVER)
        first = RunBuffered(**identity, **own, reason="task", wake_at=soon)
    else:
        wake_at = later if context.dispatch else at_once
        first = RunDispatched(**identity, **own, dispatch=context.dispatch, wake_at=wake_at)
    return [*facts, RunFact(new.id, first)]


def _replacement(new: NewRun) -> str:
    """The reason why an overlap policy cancels other runs."""
    if new.trigger in {Trigger.MANUAL, Trigger.RERUN}:
        return "made way for a run that was started by hand"
    if new.trigger is Trigger.FOLLOW_UP:
        return "made way for a run that follows another"
    return f"made way for the occurrence of {new.occurrence.nominal_at:%Y-%m-%d %H:%M:%S} UTC"


def run_identity(job: Job, occurrence: Occurrence, trigger: Trigger, context: DecisionContext) -> dict[str, Any]:
    """The fields of `Identity`, which every first event of a run has."""
    definition = job.definition
    return {
        "job_id": job.id,
        "job_name": definition.name,
        "job_version": job.version,
        "definition_at": job.definition_version,
        "task": definition.task,
        "queue": definition.queue,
        "priority": definition.priority,
        "nominal_at": occurrence.nominal_at,
        "due_at": occurrence.due_at,
        "trigger": trigger,
        "max_attempts": definition.max_retries + 1,
        "backoff": definition.backoff,
        "notify": Notify(to=definition.recipients, on=definition.notify.on),
        "concurrency": definition.concurrency,
        "rate": definition.rate,
        "pause_on_failure": definition.pause_on_failure,
        "next_at": occurrence.next_at,
        "next_due_at": occurrence.next_due_at,
        "at": context.now,
    }


def trigger_run(job: Job, active: Sequence[Run], command: TriggerRun) -> list[RunFact]:
    """Open a run that is due now, also if the job is paused; nothing if its Idempotency-Key started one before.

    Raises KeyReused if the key came with another request, JobDeletedAlready, and WrongStatus if the run that it repeats
    has not ended.
    """
    if command.earlier is not None:
        if command.earlier.request_hash not in {command.request_hash, None}:
            raise KeyReused
        return []
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    now, repeats = command.context.now.astimezone(UTC), command.repeats
    if repeats is not None:
        _must_have_ended(repeats)
    new = NewRun(
        command.run_id,
        Occurrence(now if repeats is None else repeats.nominal_at, now, job.next_at, job.next_due_at),
        command.trigger if repeats is None else Trigger.RERUN,
        command.overlap,
        payload=command.payload,
        own_payload=command.own_payload,
        request_hash=command.request_hash,
        cause=command.cause if repeats is None else repeats.id,
    )
    return open_run(job, new, ActiveRuns(active), command.context)


def _must_have_ended(run: Run) -> None:
    """Raises WrongStatus. A dead letter has not ended: it is redriven."""
    if run.status is RunStatus.DEAD_LETTERED:
        raise WrongStatus(f"run {run.id}", run.status, f"{_ENDS}; redrive the dead letter instead")
    if run.status not in ENDED:
        raise WrongStatus(f"run {run.id}", run.status, _ENDS)


def backfill(job: Job, active: Sequence[Run], command: Backfill) -> list[RunFact]:
    """Open a run for each past occurrence that has no backfill yet, in order. Raises JobDeletedAlready."""
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    others, facts = ActiveRuns(active), list[RunFact]()
    for past in command.occurrences:
        if past.run is None:
            occurrence = Occurrence(past.nominal_at, command.context.now, job.next_at, job.next_due_at)
            new = NewRun(run_id_of_backfill(job.id, past.nominal_at), occurrence, Trigger.BACKFILL, command.overlap)
            opened = open_run(_as_defined_at(job, past), new, others, command.context)
            others.apply(opened)
            facts += opened
    return facts


def _as_defined_at(job: Job, past: PastOccurrence) -> Job:
    """The job with the definition that was in force at the past occurrence."""
    version = past.version
    return replace(
        job,
        definition=version.definition,
        version=version.number,
        definition_version=version.stream_version,
    )
