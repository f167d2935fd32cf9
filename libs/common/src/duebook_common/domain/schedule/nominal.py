"""Which instants a schedule names: nominal times, exact across changes of the clocks.

Daily and weekly recurrences keep the wall clock of `scheduled_at` in the job's time zone, cron expressions and
RRULEs name wall-clock times of that zone (`clock` finds their instants), and an interval is real time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duebook_common.domain.definition import Cron, Definition, Dst, Every, Rrule
from duebook_common.domain.schedule import cron, rrule
from duebook_common.domain.schedule import dst as clock
from duebook_common.domain.schedule.rrule_days import series
from duebook_common.domain.schedule.times import SECOND, Times

_STEP = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
_DAY, _INSTANT = timedelta(days=1), timedelta(microseconds=1)
_LAST = datetime.max.replace(tzinfo=UTC)
_FOLLOWS_CLOCK = Dst("skip", "both")  # every real hour once, nothing twice


def nominal_times(definition: Definition, after: datetime | None = None) -> Iterator[datetime]:
    """The schedule's nominal times later than `after`, in order, in UTC; `None` means from its first."""
    for times in _passages(definition, after):
        yield from times


def next_after(definition: Definition, after: datetime | None) -> datetime | None:
    """The first nominal time later than `after`, or None where the schedule has no more."""
    return next(nominal_times(definition, after), None)


def count_between(definition: Definition, first: datetime, last: datetime) -> int:
    """How many nominal times lie from `first` to `last`, both included; the cost is that of their days."""
    return sum(len(times) for times in times_between(definition, first, last))


def last_between(definition: Definition, first: datetime, last: datetime) -> datetime | None:
    """The latest nominal time from `first` to `last`, both included; as quick as counting them."""
    latest = None
    for times in times_between(definition, first, last):
        latest = times.last
    return latest


def times_between(definition: Definition, first: datetime, last: datetime) -> Iterator[Times]:
    """The nominal times from `first` to `last`, both included, in passages that ascend and are not empty."""
    for times in _passages(definition, first - _INSTANT):
        if within := times.until(last):
            yield within
        if len(within) < len(times):
            return


def _passages(definition: Definition, after: datetime | None) -> Iterator[Times]:
    """The nominal times later than `after`, in passages that ascend and are not empty."""
    latest = definition.scheduled_at.astimezone(UTC) - _INSTANT
    if after is not None:
        latest = max(latest, after)
    end = _end(definition)
    for times in _unbounded(definition, latest):
        later = times if times and times.first > latest else times.after(latest)
        if not later:
            continue
        latest = later.last
        if latest > end:
            if within := later.until(end):
                yield within
            return
        yield later


def _unbounded(definition: Definition, after: datetime) -> Iterator[Times]:
    """In order, from somewhat before `after` on, so that no time after it is left out."""
    first, recurrence = definition.scheduled_at.astimezone(UTC), definition.recurrence
    match recurrence:
        case "none":
            return iter([Times(first)])
        case "daily" | "weekly":
            return _by_step(definition, first, after, _STEP[recurrence])
        case Every(step):
            return iter([Times(first, range((_LAST - first) // step + 1), step)])
        case Cron(text):
            expression, zone = cron.parse(text), ZoneInfo(definition.timezone)
            dst = _FOLLOWS_CLOCK if expression.follows_clock else definition.dst
            return clock.instants(expression.named_days(_day_before(after, zone)), zone, dst)
        case Rrule(text):
            rule, zone = rrule.parse(text), ZoneInfo(definition.timezone)
            dst = _FOLLOWS_CLOCK if rule.follows_clock else definition.dst
            return clock.instants(series(rule, _shown(first, zone)).named_days(_day_before(after, zone)), zone, dst)


def _end(definition: Definition) -> datetime:
    """The last instant that may be a nominal time."""
    end, recurrence = definition.ends_at or _LAST, definition.recurrence
    until = rrule.parse(recurrence.rrule).until if isinstance(recurrence, Rrule) else None
    return min(end, until) if until is not None and until.tzinfo is not None else end


def _by_step(definition: Definition, first: datetime, after: datetime, step: timedelta) -> Iterator[Times]:
    yield Times(first)
    zone = ZoneInfo(definition.timezone)
    yield from clock.instants(_same_time(_shown(first, zone), _day_before(after, zone), step), zone, definition.dst)


def _same_time(wall: datetime, start: datetime, step: timedelta) -> Iterator[Times]:
    """The same wall-clock time again and again, from the day of `start` on."""
    midnight = wall.replace(hour=0, minute=0, second=0)  # and so many microseconds
    seconds = ((wall - midnight) // SECOND,)
    midnight += step * max(0, -((midnight - start) // step))
    while True:
        yield Times(midnight, seconds)
        try:
            midnight += step
        except OverflowError:
            return


def _day_before(time: datetime, zone: ZoneInfo) -> datetime:
    """A day by the zone's clocks before which nothing is named that happens after that instant: a fold is shorter."""
    return _shown(time, zone).replace(hour=0, minute=0, second=0, microsecond=0) - _DAY


def _shown(time: datetime, zone: ZoneInfo) -> datetime:
    return time.astimezone(zone).replace(tzinfo=None, fold=0)
