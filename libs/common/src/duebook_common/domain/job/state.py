"""The state of a job, folded from its events."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.events import (
    Fact,
    FollowUpRefused,
    JobChanged,
    JobCreated,
    JobDeleted,
    JobErased,
    JobEvent,
    JobFinished,
    JobPaused,
    JobResumed,
    OccurrencesSkipped,
)
from duebook_common.domain.run.events import BY_SCHEDULE, FirstEvent, RunFact, RunSkipped, Startable


class JobStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job after its events. `version` counts its definitions, `stream_version` its events."""

    id: UUID
    stream_version: int
    version: int
    definition_version: int  # the stream version of the event that holds the definition
    definition: Definition
    status: JobStatus
    runs: int = 0  # opened by the schedule; `max_runs` limits them
    next_at: datetime | None  # the first nominal time that is not accounted for
    next_due_at: datetime | None = None  # when it is due, if jitter makes that later than `next_at`
    backlog_since: datetime | None = None  # the end of a pause of its queue, while it works off what is due since then
    held: bool = False  # paused, and none of its runs may start an attempt
    reason: str | None
    request_hash: str | None
    erased_at: datetime | None = None  # since then its definition has no payload, metadata and recipients of mails
    created_at: datetime
    updated_at: datetime
    born: datetime | None = field(default=None, compare=False)  # the period of the log in which its stream lies

    @property
    def wake_at(self) -> datetime | None:
        """When the scheduler must decide the job next."""
        return (self.next_due_at or self.next_at) if self.status is JobStatus.ACTIVE else None

    @property
    def exhausted(self) -> bool:
        """Whether the schedule has opened as many runs as `max_runs` allows."""
        return self.definition.max_runs is not None and self.runs >= self.definition.max_runs


def evolve(job: Job, event: JobEvent | FirstEvent) -> Job:
    """Remember one event; never refuses.

    A first event of a run, from the run's own stream, advances the schedule; a one-off has finished with it.
    """
    if isinstance(event, FirstEvent):
        return _advanced(job, event)
    return replace(job, stream_version=job.stream_version + 1, **_changes(job, event))


def _advanced(job: Job, event: FirstEvent) -> Job:
    if event.trigger not in BY_SCHEDULE:
        return job
    runs = job.runs + (not isinstance(event, RunSkipped))
    changes: dict[str, Any] = {"runs": runs, "backlog_since": _backlog_since(job, event), **_next(event)}
    if job.definition.recurrence == "none":
        changes |= {"status": JobStatus.FINISHED, "updated_at": event.at}
    return replace(job, **changes)


def _backlog_since(job: Job, event: FirstEvent | OccurrencesSkipped) -> datetime | None:
    """The job goes on to work off the backlog of a pause if the next occurrence is due at the event already."""
    next_due_at = event.next_due_at or event.next_at
    resumed_at = event.resumed_at if isinstance(event, Startable) else None
    return (resumed_at or job.backlog_since) if next_due_at is not None and next_due_at <= event.at else None


def _changes(job: Job, event: JobEvent) -> dict[str, Any]:
    """The changes that an event makes, by field of the state."""
    match event:
        case JobCreated():
            raise ValueError("JobCreated opens a stream")
        case JobChanged():
            return _redefined(job, event)
        case JobPaused():
            paused = {"status": JobStatus.PAUSED, "held": job.held or event.hold, "backlog_since": None}
            return paused | {"reason": event.reason, "updated_at": event.at}
        case JobResumed():
            resumed = {"status": JobStatus.ACTIVE, "held": False}
            return resumed | {"reason": event.reason, "updated_at": event.at} | _next(event)
        case JobDeleted():
            deleted = {"status": JobStatus.DELETED, "held": False}
            return deleted | {"next_at": None, "next_due_at": None, "updated_at": event.at}
        case JobErased():
            return _erased(job, event)
        case JobFinished():
            return {"status": JobStatus.FINISHED, "next_at": None, "next_due_at": None, "updated_at": event.at}
        case FollowUpRefused():
            return {}
        case OccurrencesSkipped():
            return _next(event) | {"backlog_since": _backlog_since(job, event)}
        case _:
            assert_never(event)


def _next(event: FirstEvent | JobChanged | JobResumed | OccurrencesSkipped) -> dict[str, Any]:
    return {"next_at": event.next_at, "next_due_at": event.next_due_at}


def _redefined(job: Job, event: JobChanged) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "version": job.version + 1,
        "definition_version": job.stream_version + 1,
        "definition": event.definition,
        "status": JobStatus.ACTIVE if job.status is JobStatus.FINISHED else job.status,
        "updated_at": event.at,
    }
    return changes | _next(event)


def _erased(job: Job, event: JobErased) -> dict[str, Any]:
    notify = replace(job.definition.notify, to=())
    definition = replace(job.definition, payload={}, metadata={}, notify=notify)
    return {"definition": definition, "request_hash": None, "erased_at": event.at, "updated_at": event.at}


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


def job_after(job: Job, facts: Iterable[Fact]) -> Job:
    """The job after decided facts. Later events of its runs do not change it."""
    for fact in facts:
        if not isinstance(fact, RunFact):
            job = evolve(job, fact)
        elif isinstance(fact.event, FirstEvent):
            job = evolve(job, fact.event)
    return job
