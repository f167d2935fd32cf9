"""The job: what is to be done and when, as its events tell it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.events import (
    Fact,
    JobChanged,
    JobCreated,
    JobDeleted,
    JobEvent,
    JobFinished,
    JobPaused,
    JobResumed,
    OccurrencesSkipped,
)
from duebook_common.domain.run.events import BY_SCHEDULE, FirstEvent, RunBuffered, RunDispatched, RunFact, RunSkipped


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


def job_after(job: Job, fact: Fact) -> Job:
    """The job as a decided fact leaves it; what happens to other runs leaves it alone."""
    if not isinstance(fact, RunFact):
        return evolve(job, fact)
    return evolve(job, fact.event) if isinstance(fact.event, FirstEvent) else job
