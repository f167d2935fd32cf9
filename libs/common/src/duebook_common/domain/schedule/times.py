"""Times in order, described rather than listed: a day of a schedule by seconds is one object, not 86,400."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Protocol

SECOND = timedelta(seconds=1)


class Numbers(Protocol):
    """Whole numbers, ascending."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> int: ...


class Sums:
    """Each number of `outer` plus each of `inner`: the outer steps are wider than all of inner, so they ascend."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, outer: Numbers, inner: Numbers) -> None:
        self._outer, self._inner = outer, inner

    def __len__(self) -> int:
        return len(self._outer) * len(self._inner)

    def __getitem__(self, index: int, /) -> int:
        which, within = divmod(index, len(self._inner))
        return self._outer[which] + self._inner[within]


class Times:
    """`start` plus so many units for each of the numbers from index `low` to below `high`.

    Either instants (aware) or what a wall clock shows (naive).
    """

    __slots__ = ("_high", "_low", "_numbers", "_unit", "start")

    def __init__(
        self, start: datetime, numbers: Numbers = (0,), unit: timedelta = SECOND, low: int = 0, high: int | None = None
    ) -> None:
        self.start, self._numbers, self._unit = start, numbers, unit
        self._low, self._high = low, len(numbers) if high is None else high

    def __len__(self) -> int:
        return max(self._high - self._low, 0)

    def __iter__(self) -> Iterator[datetime]:
        start, unit, numbers = self.start, self._unit, self._numbers
        for index in range(self._low, self._high):
            yield start + unit * numbers[index]

    @property
    def first(self) -> datetime:
        return self.start + self._unit * self._numbers[self._low]

    @property
    def last(self) -> datetime:
        return self.start + self._unit * self._numbers[self._high - 1]

    def head(self, count: int) -> "Times":
        """The first so many of at least as many."""
        return self._cut(self._low, self._low + count)

    def from_start(self, start: datetime) -> "Times":
        """The same, counted from another start."""
        return Times(start, self._numbers, self._unit, self._low, self._high)

    def since(self, time: datetime) -> "Times":
        """Those at or after it."""
        return self._cut(bisect_left(self._numbers, self._ceiling(time), self._low, self._high), self._high)

    def after(self, time: datetime) -> "Times":
        """Those later than it."""
        return self._cut(bisect_right(self._numbers, self._floor(time), self._low, self._high), self._high)

    def before(self, time: datetime) -> "Times":
        """Those earlier than it."""
        return self._cut(self._low, bisect_left(self._numbers, self._ceiling(time), self._low, self._high))

    def until(self, time: datetime) -> "Times":
        """Those not later than it."""
        return self._cut(self._low, bisect_right(self._numbers, self._floor(time), self._low, self._high))

    def _cut(self, low: int, high: int) -> "Times":
        return Times(self.start, self._numbers, self._unit, low, high)

    def _floor(self, time: datetime) -> int:
        return (time - self.start) // self._unit

    def _ceiling(self, time: datetime) -> int:
        return -((self.start - time) // self._unit)
