"""Converts local (wall-clock) times of a time zone to instants, exactly at DST transitions too.

The clocks skip some local times (a gap) and show others twice (a fold). The policy `Dst` decides: a time in a gap
happens at the first instant after it or not at all; a time in a fold happens the first time, the second, or both.

The conversion relies on one fact: since 1970 no zone has changed its UTC offset twice within six days. A test checks
it for the installed time zone database.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duebook_common.domain.definition import Dst
from duebook_common.domain.schedule.times import TimeSequence, shifted

_DAY, _SEARCH_STEP = timedelta(days=1), timedelta(days=5)
_RESOLUTION = timedelta(seconds=1)  # every transition is at a whole second


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a zone's UTC offset at the instant `at` (UTC).

    In Berlin in spring `at` is 01:00 UTC, `offset_before` one hour, `offset_after` two hours, `local_before` 02:00 and
    `local_after` 03:00.
    """

    at: datetime
    offset_before: timedelta
    offset_after: timedelta

    @property
    def local_before(self) -> datetime:
        """The local time (naive) at which the clocks are changed."""
        return (self.at + self.offset_before).replace(tzinfo=None)

    @property
    def local_after(self) -> datetime:
        """The local time (naive) to which the clocks are changed."""
        return (self.at + self.offset_after).replace(tzinfo=None)

    @property
    def is_gap(self) -> bool:
        """Whether the clocks are set forward, so that they skip local times; else they show local times twice."""
        return self.offset_after > self.offset_before


def transition_between(zone: ZoneInfo, low: datetime, high: datetime) -> Transition | None:
    """The transition later than `low` and not later than `high`, if there is one.

    Both are in UTC and less than six days apart, so there is at most one. It is found by bisection.
    """
    low, high = low.replace(microsecond=0), high.replace(microsecond=0)
    offset_before, offset_after = utc_offset(zone, low), utc_offset(zone, high)
    if offset_before == offset_after:
        return None
    while high - low > _RESOLUTION:
        middle = (low + (high - low) // 2).replace(microsecond=0)
        low, high = (middle, high) if utc_offset(zone, middle) == offset_before else (low, middle)
    return Transition(high, offset_before, offset_after)


def transitions(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Transition]:
    """The transitions later than `start` and not later than `end`, both in UTC."""
    while start < end:
        step_end = min(shifted(start, _SEARCH_STEP), end)
        if transition := transition_between(zone, start, step_end):
            yield transition
        start = step_end


def utc_offset(zone: ZoneInfo, time: datetime) -> timedelta:
    """The zone's offset from UTC at an instant; positive east of Greenwich."""
    return time.astimezone(zone).utcoffset() or timedelta(0)


def instants(days: Iterable[TimeSequence], zone: ZoneInfo, dst: Dst) -> Iterator[TimeSequence]:
    """The instants (UTC) at which the zone's clocks show the given local times, in order.

    `days` are in order too, each with the local times of one day, counted from its midnight. An instant may occur twice
    in a row: for a time in a gap and for the local time at its end. Stops a few days before the year 10000.

    Away from transitions a day is shifted as a whole. Near one, the times before and after it are shifted separately,
    and those after it are held back until no later day can have times before it.
    """
    held_back: list[TimeSequence] = []
    # For a midnight before `steady_until` the offset is known to be `offset`, without a transition nearby.
    offset, steady_until = timedelta(0), datetime.min.replace(tzinfo=UTC)
    for day in days:
        # Local midnight, taken as UTC: it is less than a day from the real instant, and the search has a day to spare.
        midnight = day.start.replace(tzinfo=UTC)
        if midnight < steady_until:
            yield day.rebase(midnight - offset)
            continue
        try:
            transition = transition_between(zone, midnight - _DAY, midnight + 4 * _DAY)
            offset = utc_offset(zone, midnight)
        except OverflowError:
            return
        if transition is None:
            steady_until = midnight + 2 * _DAY
            yield from held_back
            held_back = []
            yield day.rebase(midnight - offset)
            continue
        yield _before(transition, day, dst)
        held_back += _after(transition, day, dst)
        if transition.local_before <= day.start + _DAY:
            yield from held_back
            held_back = []
    yield from held_back


def _before(transition: Transition, day: TimeSequence, dst: Dst) -> TimeSequence:
    """The instants of the day's local times before the transition.

    A time in a fold is one of them, unless the policy takes only its second occurrence.
    """
    in_fold_second = dst.fold == "second" and not transition.is_gap
    end = transition.local_after if in_fold_second else transition.local_before
    return day.before(end).rebase(day.start.replace(tzinfo=UTC) - transition.offset_before)


def _after(transition: Transition, day: TimeSequence, dst: Dst) -> Iterator[TimeSequence]:
    """The instants of the day's local times from the transition on.

    All times in a gap become one, the transition itself. A time in a fold is one of them, unless the policy takes only
    its first occurrence.
    """
    if transition.is_gap and dst.gap == "run_after":
        in_gap = day.since(transition.local_before).before(transition.local_after)
        if in_gap:
            yield TimeSequence(transition.at)
    in_fold_first = dst.fold == "first" and not transition.is_gap
    start = transition.local_before if in_fold_first else transition.local_after
    yield day.since(start).rebase(day.start.replace(tzinfo=UTC) - transition.offset_after)
