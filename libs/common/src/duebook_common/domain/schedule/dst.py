"""When a zone's clocks show what a schedule names: wall-clock times to instants, exact across changes of the clocks.

A wall-clock time that the clocks jump over (a gap) happens at the first instant after the jump, or not at all; one
that comes twice (a fold) happens at its first, its second, or both. All rests on a fact about the clocks of this
world since 1970, which the tests check for the rules in use: no zone changes them twice within six days.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duebook_common.domain.definition import Dst
from duebook_common.domain.schedule.times import Times

_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a zone's clocks: until `at` (UTC) they are `before` ahead of UTC, from then on `after`."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def old_end(self) -> datetime:
        """What the old clock would show at that instant, a naive time."""
        return (self.at + self.before).replace(tzinfo=None)

    @property
    def new_start(self) -> datetime:
        """What the new clock shows at that instant, a naive time."""
        return (self.at + self.after).replace(tzinfo=None)


def change_between(zone: ZoneInfo, low: datetime, high: datetime) -> Change | None:
    """The change later than `low` and not later than `high` (UTC, less than six days apart), or None."""
    before, after = offset(zone, low), offset(zone, high)
    if before == after:
        return None
    while high - low > _INSTANT:
        middle = low + (high - low) // 2
        low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
    return Change(high, before, after)


def offset(zone: ZoneInfo, time: datetime) -> timedelta:
    """How far the zone's clocks are ahead of UTC at that instant."""
    return time.astimezone(zone).utcoffset() or timedelta(0)


def instants(days: Iterable[Times], zone: ZoneInfo, dst: Dst) -> Iterator[Times]:
    """The instants at which the zone's clocks show the named times, in order; one may come twice in a row.

    `days` are in order, each the wall-clock times named in it. Ends with the calendar, a few days early.
    """
    late: list[Times] = []  # after a change, when some of the next day still comes before it
    known = datetime.min.replace(tzinfo=UTC)  # about each day before it the clocks were `ahead`, and did not change
    ahead = timedelta(0)
    for day in days:
        midnight = day.start.replace(tzinfo=UTC)
        if midnight < known:
            yield day.from_start(midnight - ahead)
            continue
        try:
            change = change_between(zone, midnight - _DAY, midnight + 4 * _DAY)
            ahead = offset(zone, midnight)
        except OverflowError:
            return
        if change is None:
            known = midnight + 2 * _DAY
            yield from late
            late = []
            yield day.from_start(midnight - ahead)
        else:
            yield _until(change, day, dst)
            late += _since(change, day, dst)
            if change.old_end <= day.start + _DAY:
                yield from late
                late = []
    yield from late


def _until(change: Change, day: Times, dst: Dst) -> Times:
    """The instants before the change at which the old clock shows the day's times."""
    end = change.old_end if _is_gap(change) or dst.fold != "second" else change.new_start
    return day.before(end).from_start(day.start.replace(tzinfo=UTC) - change.before)


def _since(change: Change, day: Times, dst: Dst) -> Iterator[Times]:
    """The instants from the change on at which the new clock shows the day's times, or is past them."""
    if _is_gap(change) and dst.gap == "run_after" and day.since(change.old_end).before(change.new_start):
        yield Times(change.at)
    start = change.new_start if _is_gap(change) or dst.fold != "first" else change.old_end
    yield day.since(start).from_start(day.start.replace(tzinfo=UTC) - change.after)


def _is_gap(change: Change) -> bool:
    return change.after > change.before
