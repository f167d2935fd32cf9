"""The nominal times of a schedule: the instants at which it says a job should run.

Daily and weekly recurrences keep the local time of `scheduled_at` in the job's time zone. Cron expressions and RRULEs
give local times of that zone. `dst` converts all of these to instants. An interval (`every`) is real time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duebook_common.domain.definition import Cron, Definition, Dst, Every, Rrule
from duebook_common.domain.schedule import cron, rrule
from duebook_common.domain.schedule.dst import instants
from duebook_common.domain.schedule.rrule_set import recurrence_set
from duebook_common.domain.schedule.times import SECOND, TimeSequence, shifted

_STEP = {"daily": timedelta(days=1), "weekly": timedelta(days=7)}
_DAY, _RESOLUTION = timedelta(days=1), timedelta(microseconds=1)
_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)
_EVERY_REAL_HOUR = Dst("skip", "both")  # a gap adds no run, and both passes through a fold run
# A series ends where so many sequences in a row have no time, because DST transitions skip all of their times. Each
# transition has at most three, so this is half a century. No zone plans irregular transitions for longer.
_MOST_WITHOUT_TIMES = 150
_MOST_COMPARED = 10_000


def nominal_times(definition: Definition, after: datetime | None = None) -> Iterator[datetime]:
    """The nominal times later than `after`, or all without it, in order and in UTC."""
    for chunk in _chunks_after(definition, after):
        yield from chunk


def next_after(definition: Definition, after: datetime | None) -> datetime | None:
    """The first nominal time later than `after`, or of all without it; None if there is none."""
    return next(nominal_times(definition, after), None)


def count_between(definition: Definition, first: datetime, last: datetime) -> int:
    """The number of nominal times from `first` to `last`, both included. Takes one step a day, however many times."""
    return sum(len(chunk) for chunk in chunks_between(definition, first, last))


def last_between(definition: Definition, first: datetime, last: datetime) -> datetime | None:
    """The latest nominal time from `first` to `last`, both included. Takes one step a day, however many times."""
    latest = None
    for chunk in chunks_between(definition, first, last):
        latest = chunk.last
    return latest


def last_of_both(one: Definition, other: Definition, first: datetime, last: datetime) -> datetime | None:
    """The latest time from `first` to `last`, both included, that both schedules name.

    Where both have more than 10,000, as seconds of a year, it is the latest of `one`: none is looked at. `last` may be
    far off where `one` has no time before it.
    """
    if first > last or (latest := last_between(one, first, last)) is None:
        return None  # the usual case
    last = latest
    of_one, of_other = count_between(one, first, last), count_between(other, first, last)
    fewer, more = (one, other) if of_one <= of_other else (other, one)
    if min(of_one, of_other) > _MOST_COMPARED:
        return last
    times = [time for chunk in chunks_between(fewer, first, last) for time in chunk]
    return next((time for time in reversed(times) if last_between(more, time, time) is not None), None)


def chunks_between(definition: Definition, first: datetime, last: datetime) -> Iterator[TimeSequence]:
    """The nominal times from `first` to `last`, both included, in ascending chunks that are not empty.

    Searches no further than `last`, so that the cost depends on the window and not on how rare the times are.
    """
    for chunk in _chunks_after(definition, shifted(first, -_RESOLUTION), last):
        if within := chunk.until(last):
            yield within
        if len(within) < len(chunk):
            return


def _chunks_after(
    definition: Definition, after: datetime | None, last: datetime = _LAST_INSTANT
) -> Iterator[TimeSequence]:
    """The nominal times later than `after`, in ascending chunks that are not empty. Times after `last` may be missing.

    Ends where DST transitions have skipped all times for decades: they will skip them for ever.
    """
    latest = definition.scheduled_at.astimezone(UTC) - _RESOLUTION
    if after is not None:
        latest = max(latest, after)
    end, without_times = _end(definition), 0
    for candidates in _candidates(definition, latest, last):
        # The first candidates may be too early, and the first of a chunk may repeat the last of the one before.
        chunk = candidates if candidates and candidates.first > latest else candidates.after(latest)
        without_times = 0 if chunk else without_times + 1
        if without_times > _MOST_WITHOUT_TIMES:
            return
        if not chunk:
            continue
        latest = chunk.last
        if latest > end:
            if within := chunk.until(end):
                yield within
            return
        yield chunk


def _candidates(definition: Definition, after: datetime, last: datetime) -> Iterator[TimeSequence]:
    """The times of the recurrence in order, without its end.

    May begin before `after` and end after `last`, but leaves out no time between. A time may occur twice in a row.
    """
    first, recurrence = definition.scheduled_at.astimezone(UTC), definition.recurrence
    match recurrence:
        case "none":
            return iter([TimeSequence(first)])
        case "daily" | "weekly":
            return _daily_or_weekly(definition, first, after, _STEP[recurrence])
        case Every(step):
            return iter([TimeSequence(first, range((_LAST_INSTANT - first) // step + 1), step)])
        case Cron(text):
            expression, zone = cron.parse(text), ZoneInfo(definition.timezone)
            dst = _EVERY_REAL_HOUR if expression.ignores_dst else definition.dst
            days = expression.days_between(_safe_start(after, zone), _safe_end(last))
            return instants(days, zone, dst)
        case Rrule(text):
            rule, zone = rrule.parse(text), ZoneInfo(definition.timezone)
            dst = _EVERY_REAL_HOUR if rule.ignores_dst else definition.dst
            days = recurrence_set(rule, _local(first, zone)).days_between(_safe_start(after, zone), _safe_end(last))
            return instants(days, zone, dst)


def _end(definition: Definition) -> datetime:
    """The last instant that may be a nominal time, by `ends_at` and by an UNTIL in UTC.

    COUNT and an UNTIL in local time are the recurrence set's business: they end it before the conversion to instants.
    """
    end, recurrence = definition.ends_at or _LAST_INSTANT, definition.recurrence
    until = rrule.parse(recurrence.rrule).until if isinstance(recurrence, Rrule) else None
    return min(end, until) if until is not None and until.tzinfo is not None else end


def _daily_or_weekly(
    definition: Definition, first: datetime, after: datetime, step: timedelta
) -> Iterator[TimeSequence]:
    """`scheduled_at` itself, even where the DST policy would choose the other pass of a fold, then its local time."""
    yield TimeSequence(first)
    zone = ZoneInfo(definition.timezone)
    yield from instants(_same_local_time(_local(first, zone), _safe_start(after, zone), step), zone, definition.dst)


def _same_local_time(local: datetime, start: datetime, step: timedelta) -> Iterator[TimeSequence]:
    """The same local time at every step, from the first step on or after the midnight `start`, one day each."""
    midnight = local.replace(hour=0, minute=0, second=0)  # its microseconds stay, so that whole seconds are left over
    seconds = ((local - midnight) // SECOND,)
    midnight += step * max(0, -((midnight - start) // step))
    while True:
        yield TimeSequence(midnight, seconds)
        try:
            midnight += step
        except OverflowError:
            return


def _safe_start(time: datetime, zone: ZoneInfo) -> datetime:
    """A local midnight safely before `time`: the day before, because no DST fold is longer than a day."""
    return _local(time, zone).replace(hour=0, minute=0, second=0, microsecond=0) - _DAY


def _safe_end(time: datetime) -> datetime:
    """A local time safely after `time`: two days later, more than any zone's offset and any gap."""
    return shifted(time.astimezone(UTC).replace(tzinfo=None), 2 * _DAY)


def _local(time: datetime, zone: ZoneInfo) -> datetime:
    """What the zone's clocks show at an instant, as a naive time."""
    return time.astimezone(zone).replace(tzinfo=None, fold=0)
