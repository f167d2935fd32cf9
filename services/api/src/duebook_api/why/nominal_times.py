"""What a job's schedule says about a time. A search through years may take milliseconds: call it in a thread."""

from dataclasses import replace
from datetime import datetime, timedelta

from duebook_api.why.facts import JobContext, TimeContext
from duebook_api.why.job_sentences import CHANGED, CREATED
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import JobStatus
from duebook_common.domain.schedule.due import occurrences
from duebook_common.domain.schedule.nominal import count_between, last_between, next_after

_RESOLUTION = timedelta(microseconds=1)
_LOOK_BACK = (timedelta(days=1), timedelta(days=40), timedelta(days=400), timedelta(days=3000))
_LOOK_AHEAD = timedelta(days=400)


def definition_version_at(context: JobContext, at: datetime) -> int:
    """The stream version of the definition in force at a time; a change applies to times after it."""
    defining = [event for event in context.events if event.type in {CREATED, CHANGED}]
    return next((event for event in reversed(defining) if event.at < at), defining[0]).version


def intended_time(definition: Definition, at: datetime) -> datetime:
    """The nominal time within the second `at`, else `at` itself.

    Nominal times often have a fraction of a second, which a question about them leaves out.
    """
    following = next_after(definition, at - _RESOLUTION)
    if following is None or at.microsecond or following - at >= timedelta(seconds=1):
        return at
    return following


def time_context(context: JobContext, definition: Definition, at: datetime) -> TimeContext:
    """What `definition`, which was in force at `at`, says about it, and what the job's present one says."""
    job, is_nominal = context.job, _is_nominal(definition, at)
    today = job.definition
    is_after_end = definition.ends_at is not None and at > definition.ends_at
    return TimeContext(
        at=at,
        definition=definition,
        definition_version=definition_version_at(context, at),
        is_nominal=is_nominal,
        before=_nominal_time_before(definition, at),
        after=next_after(definition, at),
        due_at=next(occurrences(job.id, definition, at)).due_at if is_nominal else None,
        occurrences_left=_occurrences_left(context, at) if is_nominal else 0,
        is_nominal_today=not is_nominal and job.status is not JobStatus.DELETED and _is_nominal(today, at),
        is_after_end=is_after_end and _is_nominal(replace(definition, ends_at=None), at),
    )


def _is_nominal(definition: Definition, at: datetime) -> bool:
    return next_after(definition, at - _RESOLUTION) == at


def _nominal_time_before(definition: Definition, at: datetime) -> datetime | None:
    """The latest nominal time before `at`, searched for in windows that grow to eight years; None if there is none."""
    found = (last_between(definition, at - window, at - _RESOLUTION) for window in _LOOK_BACK)
    return next((time for time in found if time is not None), None)


def _occurrences_left(context: JobContext, at: datetime) -> int:
    """The number of occurrences still to come up to `at`, itself included; 0 if it is more than 400 days ahead."""
    next_at = context.job.next_at
    if next_at is None or not next_at <= at <= context.now + _LOOK_AHEAD:
        return 0
    return count_between(context.job.definition, next_at, at)
