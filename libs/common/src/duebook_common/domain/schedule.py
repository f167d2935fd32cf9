"""Which instants a schedule names: nominal times, exact across changes of the clocks.

Recurrences keep the wall clock of `scheduled_at` in the job's time zone. A wall-clock time that the clocks
jump over (a gap) happens at the first instant after the jump, or not at all; one that comes twice (a fold)
happens at its first, its second, or both. PEP 495 gives the meaning of `fold` used here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duebook_common.domain.definition import Definition, Dst

_STEP = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
_INSTANT = timedelta(microseconds=1)


def nominal_times(definition: Definition, after: datetime | None = None) -> Iterator[datetime]:
    """The schedule's nominal times later than `after`, in order, in UTC; `None` means from its first."""
    for time in _unbounded(definition, after):
        if definition.ends_at is not None and time > definition.ends_at:
            return
        if after is None or time > after:
            yield time


def next_after(definition: Definition, after: datetime | None) -> datetime | None:
    """The first nominal time later than `after`, or None where the schedule has no more."""
    return next(nominal_times(definition, after), None)


def _unbounded(definition: Definition, after: datetime | None) -> Iterator[datetime]:
    first = definition.scheduled_at.astimezone(UTC)
    yield first
    if definition.recurrence == "none":
        return
    zone, step = ZoneInfo(definition.timezone), _STEP[definition.recurrence]
    wall = first.astimezone(zone).replace(tzinfo=None, fold=0)
    skipped = max(0, (after - first) // step - 2) if after is not None else 0
    latest = first
    for n in _count_from(skipped):
        try:
            times = instants(wall + n * step, zone, definition.dst)
        except OverflowError:
            return  # the calendar ends in the year 9999
        for time in times:
            if time > latest:
                latest = time
                yield time


def _count_from(start: int) -> Iterator[int]:
    n = start
    while True:
        yield n
        n += 1


def instants(wall: datetime, zone: ZoneInfo, dst: Dst) -> tuple[datetime, ...]:
    """The instants (UTC) at which the zone's clocks are taken to show `wall`, a naive time: none, one or two."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return (first,)
    if first > second:  # a gap: read by the old offset it lies behind the jump, by the new one before it
        return (_jump_between(second, first, zone),) if dst.gap == "run_after" else ()
    return {"first": (first,), "second": (second,), "both": (first, second)}[dst.fold]


def _jump_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first instant with the offset of `high`, found by halving; `low` still has the old one."""
    new = high.astimezone(zone).utcoffset()
    while high - low > _INSTANT:
        middle = low + (high - low) // 2
        low, high = (low, middle) if middle.astimezone(zone).utcoffset() == new else (middle, high)
    return high
