"""What a job's schedule says of a time. Looking back through years may take milliseconds, so off the event loop."""

from dataclasses import replace
from datetime import datetime, timedelta

from duebook_api.why.at_time import AtTime
from duebook_api.why.facts import JobFacts
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import JobStatus
from duebook_common.domain.schedule.due import occurrences
from duebook_common.domain.schedule.nominal import count_between, last_between, next_after

_INSTANT = timedelta(microseconds=1)
_LOOK_BACK = (timedelta(days=1), timedelta(days=40), timedelta(days=400), timedelta(days=3000))
_LOOK_AHEAD = timedelta(days=400)


def version_at(facts: JobFacts, at: datetime) -> int:
    """The event that holds the definition in force at that time: a change decides about the times after it."""
    defined = [each for each in facts.steps if each.type in {"JobCreated", "JobChanged"}]
    return next((each for each in reversed(defined) if each.at < at), defined[0]).version


def meant(definition: Definition, at: datetime) -> datetime:
    """The time asked about: of a whole second the nominal time within it, since most of them have fractions."""
    following = next_after(definition, at - _INSTANT)
    within = following is not None and not at.microsecond and following - at < timedelta(seconds=1)
    return following if within and following is not None else at


def look_up(facts: JobFacts, definition: Definition, at: datetime) -> AtTime:
    """What the definition in force then says of the time, and today's."""
    job = facts.job
    named, today = _names(definition, at), job.definition
    ended = definition.ends_at is not None and at > definition.ends_at
    due = next(occurrences(job.id, definition, at)).due_at if named else None
    return AtTime(
        at=at,
        definition=definition,
        version=version_at(facts, at),
        named=named,
        before=_before(definition, at),
        after=next_after(definition, at),
        due_at=due,
        ahead=_ahead(facts, at) if named else 0,
        named_today=not named and job.status is not JobStatus.DELETED and _names(today, at),
        named_beyond=ended and _names(replace(definition, ends_at=None), at),
    )


def _names(definition: Definition, at: datetime) -> bool:
    return next_after(definition, at - _INSTANT) == at


def _before(definition: Definition, at: datetime) -> datetime | None:
    """The latest time before that one, as far back as it is worth the while to look."""
    found = (last_between(definition, at - far, at - _INSTANT) for far in _LOOK_BACK)
    return next((time for time in found if time is not None), None)


def _ahead(facts: JobFacts, at: datetime) -> int:
    """How many occurrences are still to come up to that one, the one itself included; 0 where that is far away."""
    first = facts.job.next_at
    if first is None or not first <= at <= facts.now + _LOOK_AHEAD:
        return 0
    return count_between(facts.job.definition, first, at)
