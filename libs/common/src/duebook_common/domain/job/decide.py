"""What may happen to a job: the decisions of people about it."""

from datetime import UTC, datetime
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.errors import JobDeletedAlready, WrongStatus
from duebook_common.domain.job.events import JobCreated, JobDeleted, JobEvent, JobFinished, JobPaused, JobResumed
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.schedule.due import NextOccurrence, next_occurrence


def create(job_id: UUID, definition: Definition, now: datetime, request_hash: str | None = None) -> JobCreated:
    first = next_occurrence(job_id, definition, None)
    return JobCreated(definition=definition, **first._asdict(), request_hash=request_hash, at=now)


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
