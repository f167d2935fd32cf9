"""When the runs that wait for a rate may be sent: the positions in the line of each key, and the time of each position.

The starts of a key are numbered. The start number n is allowed once the start number n - limit is longer ago than the
span of the rate. A run in the line has the number that it gets if all before it start, so the time of its position is
known exactly as soon as that earlier start is. The database decides in the end, when the attempt starts; sending in
this order keeps that from refusing many.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from duebook_common.domain.definition import Rate
from duebook_common.domain.run.events import Trigger

LEAD = timedelta(milliseconds=250)  # how early a run is sent: the way to its executor takes some of it
_SOON = timedelta(seconds=5)  # until then a sent run should have started
_PARKED = timedelta(minutes=10)

Order = tuple[bool, datetime, datetime, UUID]


class InLine(Protocol):
    """A run that waits for its rate."""

    @property
    def id(self) -> UUID: ...
    @property
    def trigger(self) -> Trigger: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def nominal_at(self) -> datetime: ...
    @property
    def rate(self) -> Rate | None: ...


def admission_order(run: InLine) -> Order:
    """By creation, but backfills after all others: the order of admission."""
    return run.trigger is Trigger.BACKFILL, run.created_at, run.nominal_at, run.id


@dataclass(frozen=True, slots=True)
class KeyStarts:
    """The starts of one key: the number of the last one, and the times (UTC) of those that matter, by number.

    `fresh` counts the runs that were sent in the last seconds and have not started, `stale` those sent before that.
    """

    last: int = 0
    fresh: int = 0
    stale: int = 0
    times: Mapping[int, datetime] = field(default_factory=dict)

    def under_way(self, limit: int) -> int:
        """How many sent runs are taken to start soon. An executor may be stuck: it keeps one limit's worth at most."""
        return self.fresh + max(0, self.stale - limit)


class RateLines:
    """The lines of the keys that are locked, as far as they were read; `line` has the runs at their beginnings."""

    def __init__(self, starts: Mapping[str, KeyStarts], line: Iterable[InLine], now: datetime) -> None:
        self._starts, self._now = starts, now
        self._lines: dict[str, list[Order]] = {key: [] for key in starts}
        for run in line:
            if run.rate is not None and run.rate.key in self._lines:
                self._lines[run.rate.key].append(admission_order(run))
        for positions in self._lines.values():
            positions.sort()
        self._taken_outside = Counter[str]()

    def take(self, run: InLine) -> bool:
        """Whether the run may be sent; from outside of the line it takes a position. False for a key without lock."""
        if run.rate is None:
            return True
        at = self.time_of(run)
        if at is None or at > self._now + LEAD:
            return False
        if not self._is_in_line(run, run.rate.key):
            self._taken_outside[run.rate.key] += 1
        return True

    def time_of(self, run: InLine) -> datetime | None:
        """When the run may be sent (UTC), as far as that is known now; None if its key is not locked."""
        rate = run.rate
        if rate is None or rate.key not in self._starts:
            return None
        starts = self._starts[rate.key]
        before = deciding_number(starts, rate, self._position(run, rate.key))
        if before <= starts.last:
            return starts.times[before] + rate.per if before in starts.times else self._now
        if before <= starts.last + max(starts.under_way(rate.limit), 1):  # one that will happen soon
            return self._now + min(rate.per, _SOON)
        return self._now + _PARKED

    def _position(self, run: InLine, key: str) -> int:
        outside = 0 if self._is_in_line(run, key) else self._taken_outside[key]
        return bisect_left(self._lines[key], admission_order(run)) + outside

    def _is_in_line(self, run: InLine, key: str) -> bool:
        positions, order = self._lines[key], admission_order(run)
        at = bisect_left(positions, order)
        return at < len(positions) and positions[at] == order


def expected_at(starts: KeyStarts, rate: Rate, ahead: int, now: datetime) -> datetime:
    """About when the run starts (UTC) that has so many runs ahead of it, if each starts as early as its rate allows."""
    before = deciding_number(starts, rate, ahead)
    spans = max(0, -((starts.last - before) // rate.limit))
    known = starts.times.get(before - spans * rate.limit)
    return max(now, (now if known is None else known + rate.per) + spans * rate.per)


def deciding_number(starts: KeyStarts, rate: Rate, ahead: int) -> int:
    """The number of the start that has to be a span ago before a run may start with so many ahead of it."""
    return starts.last + starts.under_way(rate.limit) + ahead + 1 - rate.limit


NO_RATES = RateLines({}, (), datetime.min.replace(tzinfo=UTC))


def numbers_wanted(starts: KeyStarts, positions: int, limits: Iterable[int]) -> list[tuple[int, int]]:
    """The ranges of numbers whose times decide about so many positions in the line, for runs with these limits."""
    ranges = []
    for limit in sorted(set(limits)):
        first = starts.last + starts.under_way(limit) + 1 - limit
        if first <= starts.last and first + positions > 0:
            ranges.append((max(first, 1), min(first + positions, starts.last)))
    return ranges
