"""When nominal times are due: at once, or with jitter later, so that jobs of one schedule do not all start together."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.ids import uuid5
from duebook_common.domain.schedule.nominal import nominal_times

_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


class Occurrence(NamedTuple):
    """A nominal time, the instant at which it is due, and the occurrence after it, as in `NextOccurrence`."""

    nominal_at: datetime
    due_at: datetime
    next_at: datetime | None
    next_due_at: datetime | None


class NextOccurrence(NamedTuple):
    """The next nominal time, None at the schedule's end. `next_due_at` is set only for a job with jitter."""

    next_at: datetime | None
    next_due_at: datetime | None


def next_occurrence(job_id: UUID, definition: Definition, after: datetime | None) -> NextOccurrence:
    """The first nominal time later than `after`, or of all without it, and when it is due."""
    needed = 1 if definition.jitter is None else 2
    times = [*islice(nominal_times(definition, after), needed), None, None]
    return _with_due_time(job_id, definition, times[0], times[1])


def occurrences(job_id: UUID, definition: Definition, first: datetime) -> Iterator[Occurrence]:
    """The occurrences from the nominal time `first` on, in the order of their nominal times and of their due times."""
    later_times = nominal_times(definition, first)
    time: datetime | None = first
    following = next(later_times, None)
    due_at = _due_at(job_id, definition, first, following)
    while time is not None:
        after_following = next(later_times, None) if following is not None else None
        ahead = _with_due_time(job_id, definition, following, after_following)
        yield Occurrence(time, due_at, *ahead)
        time, following, due_at = following, after_following, ahead.next_due_at or following or due_at


def _with_due_time(
    job_id: UUID, definition: Definition, time: datetime | None, following: datetime | None
) -> NextOccurrence:
    if time is None or definition.jitter is None:
        return NextOccurrence(time, None)
    return NextOccurrence(time, _due_at(job_id, definition, time, following))


def _due_at(job_id: UUID, definition: Definition, nominal_at: datetime, following: datetime | None) -> datetime:
    """The nominal time, plus a share of the jitter that depends only on the job and the nominal time.

    Never later than the following nominal time, so that occurrences stay in order.
    """
    if definition.jitter is None:
        return nominal_at
    longest = min(definition.jitter, (following or _LAST_INSTANT) - nominal_at)
    share = uuid5(job_id, f"jitter:{nominal_at:%Y-%m-%dT%H:%M:%S.%fZ}").int / 2**128
    return nominal_at + longest * share
