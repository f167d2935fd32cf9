"""Whether a series grows: the least-squares slope of its means over whole periods, with a 95 % interval.

A series that follows the periods is a saw, whose samples depend on each other. The means over whole periods do not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

_LEAST_BLOCKS = 4
_SHARE = 0.01  # of the mean, in an hour: less is no slope
# The 97.5 % quantiles of Student's t with 2, 3, … degrees of freedom.
_T = (4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)


@dataclass(frozen=True)
class Slope:
    """`per_hour` with half of its 95 % interval, of a series with this mean."""

    mean: float
    per_hour: float
    uncertainty: float

    @property
    def found(self) -> bool:
        """Whether the interval excludes 0, and the slope is at least 1 % of the mean in an hour."""
        return abs(self.per_hour) > self.uncertainty and abs(self.per_hour) >= _SHARE * abs(self.mean)


def block_means(at: Sequence[float], values: Sequence[float], start: float, length: float) -> list[tuple[float, float]]:
    """The middle of each whole block of so many seconds after `start`, and the mean of the values in it."""
    blocks = []
    while at and start + length <= at[-1] + 1:
        inside = [value for time, value in zip(at, values, strict=True) if start < time <= start + length]
        if inside:
            blocks.append((start + length / 2, fmean(inside)))
        start += length
    return blocks


def slope(blocks: Sequence[tuple[float, float]]) -> Slope | None:
    """The slope of points (seconds, value); None for fewer than four."""
    if len(blocks) < _LEAST_BLOCKS:
        return None
    hours, values = [at / 3600 for at, _ in blocks], [value for _, value in blocks]
    middle, mean = fmean(hours), fmean(values)
    spread = sum((hour - middle) ** 2 for hour in hours)
    per_hour = sum((hour - middle) * (value - mean) for hour, value in zip(hours, values, strict=True)) / spread
    rests = [value - mean - per_hour * (hour - middle) for hour, value in zip(hours, values, strict=True)]
    freedom = len(blocks) - 2
    error = math.sqrt(sum(rest**2 for rest in rests) / freedom / spread)
    return Slope(mean, per_hour, _T[min(freedom, len(_T) + 1) - 2] * error)
