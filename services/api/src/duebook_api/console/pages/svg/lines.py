"""Two lines over time on a logarithmic scale: the median and the 99th percentile of a duration."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import log10
from typing import NamedTuple

from markupsafe import Markup

from duebook_api.console.pages.svg.elements import line, number, path, svg, text, twin
from duebook_api.console.pages.times import Times
from duebook_common.runtime.phrases import short_duration

_WIDTH, _HEIGHT, _LEFT, _RIGHT = 340, 90, 44, 8
# In seconds: from a millisecond to 500 days, about a power of ten apart, each with a short label.
_TICKS = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600, 36_000, 432_000, 4_320_000, 43_200_000)
_LEAST = _TICKS[0]


class Point(NamedTuple):
    at: datetime
    p50: float
    p99: float


def lateness_lines(points: Sequence[Point], times: Times, start: datetime) -> Markup:
    """The drawing and its twin; a gap in the points is a gap in the lines."""
    highest = max([_TICKS[1], *(point.p99 for point in points)])
    last = min(bisect_left(_TICKS, highest), len(_TICKS) - 1)

    def y(seconds: float) -> float:
        share = log10(min(max(seconds, _LEAST), _TICKS[last]) / _LEAST) / log10(_TICKS[last] / _LEAST)
        return _HEIGHT - 14 - share * (_HEIGHT - 24)

    def x(at: datetime) -> float:
        return _LEFT + (at - start) / (times.now - start) * (_WIDTH - _LEFT - _RIGHT)

    content = []
    for seconds in {_LEAST, _TICKS[last // 2], _TICKS[last]}:
        content += [line(_LEFT, y(seconds), _WIDTH, y(seconds), "grid")]
        content += [text(_LEFT - 6, y(seconds) + 4, short_duration(timedelta(seconds=seconds)), "end")]
    for css, values in (("line-p99", [(p.at, p.p99) for p in points]), ("line-p50", [(p.at, p.p50) for p in points])):
        if values:
            content.append(path("M" + "L".join(f"{number(x(at))} {number(y(value))}" for at, value in values), css))
    title = f"How late runs started since {times.text(start)}: median and 99th percentile"
    return svg(title, _WIDTH, _HEIGHT, "drawing lines lateness", content) + _twin(points, times)


def _twin(points: Sequence[Point], times: Times) -> Markup:
    rows = [(times.text(p.at), *(short_duration(timedelta(seconds=each)) for each in (p.p50, p.p99))) for p in points]
    return twin("as a table", ("from", "p50", "p99"), rows)
