"""Whether a series grows: the least-squares slope of its means over whole periods, and what may be concluded from it.

A series that follows the periods is a saw, so its means over whole periods are taken. They still depend on each other
(an allocator keeps what it has, autovacuum comes when it comes): a lag-1 autocorrelation r > 0 of what the line leaves
widens the interval by √((1 + r) / (1 - r)). The intervals of all series hold together with 95 % (Bonferroni).
Of few means r is estimated too low. With eleven means, 45 series and a true r of 0.5, simulated, 1.6 % of the intervals
exclude the true slope and not 0.1 %.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import fmean

SHARE = 0.01  # of the mean, in an hour: less does not matter
_LEAST_BLOCKS = 4
_WRONG = 0.05  # the chance that any interval of the table excludes the true slope


class Finding(StrEnum):
    """What a slope shows. `UNCLEAR` is not `FLAT`: the series may grow by as much as the interval permits."""

    FLAT = "flat"
    SLOPE = "SLOPE"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Slope:
    """`per_hour` with half of its interval, of a series with this mean; r; and the slopes of both halves alone."""

    mean: float
    per_hour: float
    uncertainty: float
    r: float
    halves: tuple[float, float]

    @property
    def tolerance(self) -> float:
        return SHARE * abs(self.mean)

    @property
    def least(self) -> float:
        """The smallest slope an hour that could have been found: half of those of this size would be."""
        return max(self.tolerance, self.uncertainty)

    @property
    def finding(self) -> Finding:
        if abs(self.per_hour) + self.uncertainty < self.tolerance or self.per_hour == self.uncertainty == 0:
            return Finding.FLAT
        sign = math.copysign(1, self.per_hour)
        both = all(sign * half >= self.tolerance for half in self.halves)
        large = abs(self.per_hour) > self.uncertainty and abs(self.per_hour) >= self.tolerance
        return Finding.SLOPE if large and both else Finding.UNCLEAR


def block_means(at: Sequence[float], values: Sequence[float], start: float, length: float) -> list[tuple[float, float]]:
    """The middle of each whole block of so many seconds after `start`, and the mean of the values in it."""
    blocks = []
    while at and start + length <= at[-1] + 1:
        inside = [value for time, value in zip(at, values, strict=True) if start < time <= start + length]
        if inside:
            blocks.append((start + length / 2, fmean(inside)))
        start += length
    return blocks


def slope(blocks: Sequence[tuple[float, float]], series: int = 1) -> Slope | None:
    """The slope of points (seconds, value), one of so many series; None for fewer than four points."""
    if len(blocks) < _LEAST_BLOCKS:
        return None
    points = [(at / 3600, value) for at, value in blocks]
    per_hour, spread, rests = _line(points)
    freedom, half = len(points) - 2, len(points) // 2
    r = _autocorrelation(rests)
    error = math.sqrt(sum(rest**2 for rest in rests) / freedom / spread) * _widening(r)
    halves = (_line(points[:half])[0], _line(points[-half:])[0])
    mean = fmean(value for _, value in points)
    return Slope(mean, per_hour, quantile(freedom, _WRONG / series) * error, r, halves)


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float, list[float]]:
    """The slope of a line through the points, the sum of squares of their times, and what the line leaves of each."""
    middle, mean = fmean(at for at, _ in points), fmean(value for _, value in points)
    spread = sum((at - middle) ** 2 for at, _ in points)
    found = sum((at - middle) * (value - mean) for at, value in points) / spread
    return found, spread, [value - mean - found * (at - middle) for at, value in points]


def _autocorrelation(rests: Sequence[float]) -> float:
    squares = sum(rest**2 for rest in rests)
    return sum(a * b for a, b in pairwise(rests)) / squares if squares else 0.0


def _widening(r: float) -> float:
    return math.sqrt((1 + r) / (1 - r)) if r > 0 else 1.0


def quantile(freedom: int, wrong: float) -> float:
    """What Student's t exceeds, in either direction, with this chance."""
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - _within(middle, freedom) > wrong else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """The chance that Student's t is between -t and t: Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term, total = math.cos(angle) if odd else 1.0, 0.0
    for n in range(1 + odd, freedom, 2):
        total += term
        term *= n / (n + 1) * math.cos(angle) ** 2
    return (angle + math.sin(angle) * total) * 2 / math.pi if odd else math.sin(angle) * total
