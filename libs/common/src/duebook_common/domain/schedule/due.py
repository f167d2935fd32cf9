"""When nominal times are due: at once, or with jitter somewhat later, so that a fleet of jobs spreads out."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.ids import uuid5
from duebook_common.domain.schedule.nominal import nominal_times

_END = datetime.max.replace(tzinfo=UTC)


class Occurrence(NamedTuple):
    """A nominal time, when it is due, and what follows it; `next_due_at` only where jitter makes that later."""

    nominal_at: datetime
    due_at: datetime
    next_at: datetime | None
    next_due_at: datetime | None


class NextOccurrence(NamedTuple):
    """Where a schedule goes on; `next_due_at` only where jitter makes it later than `next_at`."""

    next_at: datetime | None
    next_due_at: datetime | None


def next_occurrence(job_id: UUID, definition: Definition, after: datetime | None) -> NextOccurrence:
    """The first nominal time later than `after`, and when it is due."""
    times = [*islice(nominal_times(definition, after), 1 if definition.jitter is None else 2), None, None]
    return _upcoming(job_id, definition, times[0], times[1])


def occurrences(job_id: UUID, definition: Definition, first: datetime) -> Iterator[Occurrence]:
    """The schedule from its nominal time `first` on, in order; of their due times too."""
    following = nominal_times(definition, first)
    time: datetime | None = first
    after = next(following, None)
    due_at = _due_at(job_id, definition, first, after)
    while time is not None:
        later = next(following, None) if after is not None else None
        ahead = _upcoming(job_id, definition, after, later)
        yield Occurrence(time, due_at, *ahead)
        time, after, due_at = after, later, ahead.next_due_at or after or due_at


def _upcoming(job_id: UUID, definition: Definition, time: datetime | None, after: datetime | None) -> NextOccurrence:
    if time is None or definition.jitter is None:
        return NextOccurrence(time, None)
    return NextOccurrence(time, _due_at(job_id, definition, time, after))


def _due_at(job_id: UUID, definition: Definition, nominal_at: datetime, following: datetime | None) -> datetime:
    """The nominal time, or with jitter up to that much later: by a hash, so always the same.

    Never later than the next nominal time: a series stays in order.
    """
    if definition.jitter is None:
        return nominal_at
    most = min(definition.jitter, (following or _END) - nominal_at)
    share = uuid5(job_id, f"jitter:{nominal_at:%Y-%m-%dT%H:%M:%S.%fZ}").int / 2**128
    return nominal_at + most * share
