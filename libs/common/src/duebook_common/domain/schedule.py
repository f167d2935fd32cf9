"""Which instants a schedule names: nominal times, exact across changes of the clocks.

Daily and weekly recurrences keep the wall clock of `scheduled_at` in the job's time zone, a cron expression names
wall-clock times of that zone, and an interval is real time. A wall-clock time that the clocks
jump over (a gap) happens at the first instant after the jump, or not at all; one that comes twice (a fold)
happens at its first, its second, or both. PEP 495 gives the meaning of `fold` used here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duebook_common.domain import cron
from duebook_common.domain.definition import Cron, Definition, Dst, Every

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
    """In order, from somewhat before `after` on, so that no time after it is left out."""
    first, recurrence = definition.scheduled_at.astimezone(UTC), definition.recurrence
    match recurrence:
        case "none":
            return iter([first])
        case "daily" | "weekly":
            return _by_step(definition, first, after, _STEP[recurrence])
        case Every():
            return _by_interval(first, after, recurrence.every)
        case Cron():
            return _by_cron(definition, first, after, recurrence)


def _by_step(definition: Definition, first: datetime, after: datetime | None, step: timedelta) -> Iterator[datetime]:
    yield first
    zone = ZoneInfo(definition.timezone)
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


def _by_interval(first: datetime, after: datetime | None, step: timedelta) -> Iterator[datetime]:
    for n in _count_from(max(0, (after - first) // step) if after is not None else 0):
        try:
            yield first + n * step
        except OverflowError:
            return


def _by_cron(definition: Definition, first: datetime, after: datetime | None, recurrence: Cron) -> Iterator[datetime]:
    """The expression's times at or after `first`.

    In a fold the second passes of early times come after the first passes of later ones, so what was found is held
    back until the wall clock has moved past it.
    """
    expression, zone = cron.parse(recurrence.cron), ZoneInfo(definition.timezone)
    dst = Dst("skip", "both") if expression.follows_clock else definition.dst
    latest = max(first - _INSTANT, after or first - _INSTANT)
    wall = _wall_before(latest, zone)
    held: list[datetime] = []
    while (found := expression.after(wall)) is not None:
        wall = found
        try:
            times = instants(wall, zone, dst)
        except OverflowError:
            break
        ready = [time for time in held if not times or time <= times[0]]
        held = [time for time in held if time not in ready] + list(times)
        for time in sorted(ready):
            if time > latest:
                latest = time
                yield time
    yield from (time for time in sorted(held) if time > latest)


def _wall_before(time: datetime, zone: ZoneInfo) -> datetime:
    """A wall-clock time before which nothing lies that happens after `time`: in a fold's first pass, its beginning."""
    local = time.astimezone(zone)
    ahead = _offset(local) - _offset((time + timedelta(hours=26)).astimezone(zone))
    in_first_pass = ahead > timedelta(0) and _offset((time + ahead).astimezone(zone)) < _offset(local)
    return local.replace(tzinfo=None, fold=0) - (ahead if in_first_pass else timedelta(0)) - timedelta(seconds=1)


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta(0)


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
