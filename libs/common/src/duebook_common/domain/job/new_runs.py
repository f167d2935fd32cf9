"""How a run begins: its first event, by whatever it was made, and what that does to other runs of its job."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Notify, Overlap
from duebook_common.domain.job.overlap import ActiveRuns, OverlapDecision, apply_overlap
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.events import (
    RunBuffered,
    RunDispatched,
    RunFact,
    RunSkipped,
    Trigger,
    run_id_of_backfill,
)
from duebook_common.domain.run.state import Run
from duebook_common.domain.schedule.due import Occurrence


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionContext:
    """The circumstances of a decision. `dispatch` is 1 where the decider sends the messages itself, else 0."""

    now: datetime
    misfire: timedelta
    patience: timedelta
    dispatch: int


def open_run(
    job: Job,
    run_id: UUID,
    occurrence: Occurrence,
    trigger: Trigger,
    overlap: Overlap,
    others: ActiveRuns,
    terms: DecisionContext,
    *,
    start_by: datetime | None = None,
    **own: Any,
) -> list[RunFact]:
    """The run's first event, as the overlap policy allows; `own` is what the run has of its own."""
    in_the_way = others.in_the_way(trigger)
    why = _making_way(occurrence, trigger) if in_the_way else ""
    place, facts = apply_overlap(overlap, in_the_way, terms.now, why)
    told = identity(job, occurrence, trigger, terms)
    if place is OverlapDecision.LEAVE_OUT:
        return [*facts, RunFact(run_id, RunSkipped(**told, reason="overlap"))]
    told |= {"start_by": start_by} | own
    at_once = max(terms.now, occurrence.due_at)
    patiently = min(terms.now + terms.patience, start_by or datetime.max.replace(tzinfo=UTC))
    if place is OverlapDecision.WAIT:  # the others' end wakes it
        return [*facts, RunFact(run_id, RunBuffered(**told, reason="overlap", wake_at=patiently))]
    if job.definition.concurrency is not None:  # whether its key has room is for the poll to see
        return [*facts, RunFact(run_id, RunBuffered(**told, reason="concurrency", wake_at=at_once))]
    wake_at = patiently if terms.dispatch else at_once
    return [*facts, RunFact(run_id, RunDispatched(**told, dispatch=terms.dispatch, wake_at=wake_at))]


def _making_way(occurrence: Occurrence, trigger: Trigger) -> str:
    if trigger is Trigger.MANUAL:
        return "made way for a run that was started by hand"
    return f"made way for the occurrence of {occurrence.nominal_at:%Y-%m-%d %H:%M:%S} UTC"


def identity(job: Job, occurrence: Occurrence, trigger: Trigger, terms: DecisionContext) -> dict[str, Any]:
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
        "pause_on_failure": definition.pause_on_failure,
        "next_at": occurrence.next_at,
        "next_due_at": occurrence.next_due_at,
        "at": terms.now,
    }


def trigger_now(
    job: Job,
    active: Sequence[Run],
    terms: DecisionContext,
    run_id: UUID,
    *,
    overlap: Overlap,
    payload: Any = None,
    own_payload: bool = False,
    request_hash: str | None = None,
) -> list[RunFact]:
    """A run that a person starts: now, also while the job is paused, beside others or as `overlap` says."""
    now = terms.now.astimezone(UTC)
    occurrence = Occurrence(now, now, job.next_at, job.next_due_at)
    return open_run(
        job, run_id, occurrence, Trigger.MANUAL, overlap, ActiveRuns(active), terms,
        payload=payload, own_payload=own_payload, request_hash=request_hash,
    )  # fmt: skip


def backfill_runs(
    wanted: Iterable[tuple[Job, datetime]], active: Sequence[Run], terms: DecisionContext, overlap: Overlap
) -> list[RunFact]:
    """Backfill: runs for past nominal times, in order; each comes with the job as it was defined then."""
    others, facts = ActiveRuns(active), list[RunFact]()
    for job, time in wanted:
        occurrence = Occurrence(time, terms.now, job.next_at, job.next_due_at)
        run_id = run_id_of_backfill(job.id, time)
        begun = open_run(job, run_id, occurrence, Trigger.BACKFILL, overlap, others, terms)
        others.follow(begun)
        facts += begun
    return facts
