"""Sequences of ascending times that are computed on access: a day with a time each second is one object, not 86,400."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

SECOND = timedelta(seconds=1)
LAST_LOCAL = datetime.max  # noqa: DTZ901 - local times have no zone here


def shifted(time: datetime, by: timedelta) -> datetime:
    """`time + by`, but never beyond the first or the last instant that `datetime` knows.

    >>> shifted(datetime(9999, 12, 30), timedelta(days=5)).isoformat()
    '9999-12-31T23:59:59.999999'
    """
    try:
        return time + by
    except OverflowError:
        last, first = datetime.max.replace(tzinfo=time.tzinfo), datetime.min.replace(tzinfo=time.tzinfo)
        return last if by > timedelta(0) else first


class IntSequence(Protocol):
    """Ascending integers, for example a list or a range."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> int: ...


class PairSums:
    """The sum of each integer in `outer` with each in `inner`.

    They ascend because neighbours in `outer` are farther apart than the first and the last of `inner`:

    >>> list(PairSums([0, 3600, 7200], [0, 1800]))
    [0, 1800, 3600, 5400, 7200, 9000]
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, outer: IntSequence, inner: IntSequence) -> None:
        self._outer, self._inner = outer, inner

    def __len__(self) -> int:
        return len(self._outer) * len(self._inner)

    def __getitem__(self, index: int, /) -> int:
        outer_index, inner_index = divmod(index, len(self._inner))
        return self._outer[outer_index] + self._inner[inner_index]


class TimeSequence:
    """`start + offset * unit` for each of `offsets` from index `low` up to, but not including, `high`.

    The times are either instants (aware) or local times (naive). Cutting a sequence never copies the offsets:

    >>> day = TimeSequence(datetime(2026, 11, 24), range(0, 86_400, 3_600))
    >>> [f"{time:%H:%M}" for time in day.after(datetime(2026, 11, 24, 9)).until(datetime(2026, 11, 24, 12))]
    ['10:00', '11:00', '12:00']
    """

    __slots__ = ("_high", "_low", "_offsets", "_unit", "start")

    def __init__(
        self,
        start: datetime,
        offsets: IntSequence = (0,),
        unit: timedelta = SECOND,
        low: int = 0,
        high: int | None = None,
    ) -> None:
        self.start, self._offsets, self._unit = start, offsets, unit
        self._low, self._high = low, len(offsets) if high is None else high

    def __len__(self) -> int:
        return max(self._high - self._low, 0)

    def __iter__(self) -> Iterator[datetime]:
        start, unit, offsets = self.start, self._unit, self._offsets
        for index in range(self._low, self._high):
            yield start + unit * offsets[index]

    @property
    def first(self) -> datetime:
        """The first time of a sequence that is not empty."""
        return self.start + self._unit * self._offsets[self._low]

    @property
    def last(self) -> datetime:
        """The last time of a sequence that is not empty."""
        return self.start + self._unit * self._offsets[self._high - 1]

    @property
    def interval(self) -> timedelta | None:
        """The time between neighbours, where all have the same."""
        return self._unit * self._offsets.step if isinstance(self._offsets, range) else None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sequences of the same shape differ in their start only, as long as one of them is kept."""
        return id(self._offsets), self._low, self._high

    def rebase(self, start: datetime) -> "TimeSequence":
        """The same offsets, counted from another start."""
        return TimeSequence(start, self._offsets, self._unit, self._low, self._high)

    def head(self, count: int) -> "TimeSequence":
        """The first `count` times; the sequence has at least that many."""
        return self._cut(self._low, self._low + count)

    def since(self, time: datetime) -> "TimeSequence":
        """The times that are `time` or later."""
        return self._cut(self._first_index_since(time), self._high)

    def after(self, time: datetime) -> "TimeSequence":
        """The times later than `time`."""
        return self._cut(self._first_index_after(time), self._high)

    def before(self, time: datetime) -> "TimeSequence":
        """The times earlier than `time`."""
        return self._cut(self._low, self._first_index_since(time))

    def until(self, time: datetime) -> "TimeSequence":
        """The times that are `time` or earlier."""
        return self._cut(self._low, self._first_index_after(time))

    def _cut(self, low: int, high: int) -> "TimeSequence":
        return TimeSequence(self.start, self._offsets, self._unit, low, high)

    def _first_index_since(self, time: datetime) -> int:
        units = -((self.start - time) // self._unit)  # rounded up
        return bisect_left(self._offsets, units, self._low, self._high)

    def _first_index_after(self, time: datetime) -> int:
        units = (time - self.start) // self._unit  # rounded down
        return bisect_right(self._offsets, units, self._low, self._high)
