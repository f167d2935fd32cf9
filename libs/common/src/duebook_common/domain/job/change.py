"""A job's new definition, and where its schedule goes on."""

from dataclasses import replace
from datetime import datetime

from duebook_common.domain.definition import Definition
from duebook_common.domain.errors import JobDeletedAlready
from duebook_common.domain.job.events import JobChanged, JobEvent, JobFinished, OccurrencesSkipped
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.schedule.due import NextOccurrence, next_occurrence
from duebook_common.domain.schedule.nominal import last_between


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
