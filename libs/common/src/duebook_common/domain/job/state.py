"""The job: what is to be done and when. Its stream holds one event per human decision, and its end.

The names and fields of the events are the storage format: add fields with defaults, never rename.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.errors import JobDeletedAlready, WrongStatus
from duebook_common.domain.run.events import BY_SCHEDULE, FirstEvent, RunBuffered, RunDispatched, RunSkipped
from duebook_common.domain.schedule.due import NextOccurrence, next_occurrence
from duebook_common.domain.schedule.nominal import last_between


def stream(job_id: UUID) -> str:
    return f"job-{job_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCreated:
    definition: Definition
    next_at: datetime | None
    next_due_at: datetime | None = None  # where jitter makes it later
    request_hash: str | None = None  # of the request that carried an Idempotency-Key
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobChanged:
    definition: Definition
    next_at: datetime | None
    next_due_at: datetime | None = None  # where jitter makes it later
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPaused:
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResumed:
    reason: str | None
    next_at: datetime | None
    next_due_at: datetime | None = None  # where jitter makes it later
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeleted:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFinished:
    """The schedule names no further occurrence."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OccurrencesSkipped:
    """The nominal times from `first` to `last`, both included, were left out, for one reason."""

    first: datetime
    last: datetime
    count: int
    reason: str
    next_at: datetime | None
    next_due_at: datetime | None = None  # where jitter makes it later
    at: datetime


JobEvent = JobCreated | JobChanged | JobPaused | JobResumed | JobDeleted | JobFinished | OccurrencesSkipped


class JobStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as its events tell it. `version` counts definitions; `stream_version` counts events."""

    id: UUID
    stream_version: int
    version: int
    definition_version: int  # the stream version of the event that holds the definition
    definition: Definition
    status: JobStatus
    runs: int = 0  # that its schedule has made; `max_runs` bounds them
    next_at: datetime | None  # the first nominal time that is not accounted for
    next_due_at: datetime | None = None  # when that is due, where jitter makes it later
    reason: str | None
    request_hash: str | None
    created_at: datetime
    updated_at: datetime

    @property
    def wake_at(self) -> datetime | None:
        """When the scheduler must look at the job next."""
        return (self.next_due_at or self.next_at) if self.status is JobStatus.ACTIVE else None

    @property
    def exhausted(self) -> bool:
        """It has had all the runs that `max_runs` grants."""
        return self.definition.max_runs is not None and self.runs >= self.definition.max_runs


def evolve(job: Job, event: JobEvent | FirstEvent) -> Job:
    """Remember one event. A run's first event moves the job's schedule on; it is not of the job's own stream."""
    match event:
        case RunDispatched() | RunBuffered() | RunSkipped():
            if event.trigger not in BY_SCHEDULE:
                return job
            runs = job.runs + (not isinstance(event, RunSkipped))
            return replace(job, runs=runs, next_at=event.next_at, next_due_at=event.next_due_at)
        case JobCreated():
            raise ValueError("JobCreated opens a stream")
        case JobChanged():
            changed = _changed(job, event)
        case JobPaused():
            changed = replace(job, status=JobStatus.PAUSED, reason=event.reason, updated_at=event.at)
        case JobResumed():
            changed = replace(job, status=JobStatus.ACTIVE, reason=event.reason, updated_at=event.at, **_ahead(event))
        case JobDeleted():
            changed = replace(job, status=JobStatus.DELETED, next_at=None, next_due_at=None, updated_at=event.at)
        case JobFinished():
            changed = replace(job, status=JobStatus.FINISHED, next_at=None, next_due_at=None, updated_at=event.at)
        case OccurrencesSkipped():
            changed = replace(job, **_ahead(event))
        case _:
            assert_never(event)
    return replace(changed, stream_version=job.stream_version + 1)


def _ahead(event: JobChanged | JobResumed | OccurrencesSkipped) -> dict[str, Any]:
    return {"next_at": event.next_at, "next_due_at": event.next_due_at}


def _changed(job: Job, event: JobChanged) -> Job:
    return replace(
        job,
        version=job.version + 1,
        definition_version=job.stream_version + 1,
        definition=event.definition,
        status=JobStatus.ACTIVE if job.status is JobStatus.FINISHED else job.status,
        updated_at=event.at,
        **_ahead(event),
    )


def opened(job_id: UUID, event: JobCreated) -> Job:
    """The job right after its first event."""
    return Job(
        id=job_id,
        stream_version=1,
        version=1,
        definition_version=1,
        definition=event.definition,
        status=JobStatus.ACTIVE,
        next_at=event.next_at,
        next_due_at=event.next_due_at,
        reason=None,
        request_hash=event.request_hash,
        created_at=event.at,
        updated_at=event.at,
    )


def create(job_id: UUID, definition: Definition, now: datetime, request_hash: str | None = None) -> JobCreated:
    first = next_occurrence(job_id, definition, None)
    return JobCreated(definition=definition, **first._asdict(), request_hash=request_hash, at=now)


def change(job: Job, definition: Definition, now: datetime, *, ran: bool) -> list[JobEvent]:
    """Replace the definition; `ran` says that a run for the new `scheduled_at` exists already.

    What was due before `now` must have been accounted for by the old definition first, unless both name the same times.
    """
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    if definition.same(job.definition):
        return []
    ahead = _goes_on(job, definition, now, ran=ran)
    events: list[JobEvent] = [JobChanged(definition=definition, **ahead._asdict(), at=now)]
    over = ahead.next_at is None or replace(job, definition=definition).exhausted
    if over and job.status is not JobStatus.PAUSED:
        events += [*_left_out(definition, ahead.next_at, now), JobFinished(at=now)]
    return events


def _left_out(definition: Definition, next_at: datetime | None, now: datetime) -> list[OccurrencesSkipped]:
    """A one-off moved into the past that would be one run too many."""
    if definition.recurrence != "none" or next_at is None or next_at > now:
        return []
    return [OccurrencesSkipped(first=next_at, last=next_at, count=1, reason="max_runs", next_at=None, at=now)]


def _goes_on(job: Job, definition: Definition, now: datetime, *, ran: bool) -> NextOccurrence:
    """Where a changed schedule goes on: a one-off moved into the past runs at once, a series only looks ahead."""
    if definition.same_schedule(job.definition) and job.next_at is not None:
        return NextOccurrence(job.next_at, job.next_due_at)
    moved = definition.scheduled_at != job.definition.scheduled_at  # else that time lies ahead, or is accounted for
    if definition.recurrence == "none" and moved and not ran:
        return next_occurrence(job.id, definition, None)
    ahead = next_occurrence(job.id, definition, now)
    while ahead.next_at is not None and _accounted(job, ahead.next_at):
        ahead = next_occurrence(job.id, definition, ahead.next_at)
    return ahead


def _accounted(job: Job, time: datetime) -> bool:
    """Whether a time ahead was dispatched already, by a clock that is a moment ahead of the one that says now."""
    end = job.next_at or job.updated_at
    return time < end and last_between(job.definition, time, time) is not None


def pause(job: Job, reason: str | None, now: datetime) -> list[JobEvent]:
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    if job.status is JobStatus.FINISHED:
        raise WrongStatus(f"job {job.id}", job.status, "active")
    return [] if job.status is JobStatus.PAUSED else [JobPaused(reason=reason, at=now)]


def resume(job: Job, reason: str | None, now: datetime) -> list[JobEvent]:
    """Go on with the next occurrence; what fell into the pause is skipped as `paused`."""
    if job.status is JobStatus.DELETED:
        raise JobDeletedAlready(job.id)
    if job.status is JobStatus.FINISHED:
        raise WrongStatus(f"job {job.id}", job.status, "paused")
    if job.status is not JobStatus.PAUSED:
        return []
    ahead = NextOccurrence(job.next_at, job.next_due_at)
    if job.next_at is not None and job.next_at <= now:
        ahead = next_occurrence(job.id, job.definition, now)
    events: list[JobEvent] = [JobResumed(reason=reason, **ahead._asdict(), at=now)]
    return events if ahead.next_at is not None and not job.exhausted else [*events, JobFinished(at=now)]


def delete(job: Job, now: datetime) -> list[JobEvent]:
    return [] if job.status is JobStatus.DELETED else [JobDeleted(at=now.astimezone(UTC))]
