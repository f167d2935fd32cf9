"""The timeline of a run: from when it was due over its attempts to its end, or to now.

Gaps in which nothing ran are folded where they would dwarf the attempts, and many attempts are left out in the middle.
The past is filled, the future is outlined, "now" is a line.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

from duebook_api.console.pages.svg.elements import line, path, rect, svg, text
from duebook_common.runtime.phrases import short_duration

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _BAR = 960, 8, 952, 26, 24, 12
_TOP_WITHOUT_NOW = 6
_FOLD_SHARE, _FOLDS = 0.1, 0.5  # of the width: one folded gap, and all of them at most
_NARROWEST, _CHARACTER = 3, 6.5  # widths of a bar, and of a character of a label
_LABEL = 14  # what a label below its bar takes
_FIRST, _LAST = 3, 8  # rows that are shown of many


@dataclass(frozen=True, slots=True)
class Span:
    """One bar. `active`: something ran, so its time is never folded; `planned`: it lies ahead."""

    label: str
    start: datetime
    end: datetime
    role: str
    active: bool = True
    planned: bool = False


@dataclass(frozen=True, slots=True)
class _Gap:
    start: datetime
    end: datetime


def shown_spans(spans: Sequence[Span]) -> tuple[list[Span], int]:
    """The first and the last ones, and how many between them are left out."""
    left_out = len(spans) - _FIRST - _LAST
    if left_out <= 1:
        return list(spans), 0
    return [*spans[:_FIRST], *spans[-_LAST:]], left_out


def timeline(title: str, spans: Sequence[Span], now: datetime | None, clock: Callable[[datetime], str]) -> Markup:
    """The drawing; `now` is None for a run that has ended. `clock` renders the times of the axis."""
    shown, left_out = shown_spans(spans)
    times = sorted({time for span in shown for time in (span.start, span.end)} | ({now} if now else set()))
    x, gaps = _scale(times, shown)
    top = _TOP if now is not None else _TOP_WITHOUT_NOW
    below = sum(_stands_below(x(span.start), _end(span, x)) for span in shown)
    height = top + _ROW * (len(shown) + bool(left_out)) + _LABEL * below + 20
    clock_width = len(clock(times[0])) * _CHARACTER
    content = [*_gaps(gaps, x, height, clock_width), *_rows(shown, left_out, x, top), *_axis(times, x, height, clock)]
    if now is not None:
        content += [line(x(now), 14, x(now), height - 18, "now"), text(x(now), 10, "now", _anchor(x(now)), "label-now")]
    return svg(title, _WIDTH, height, "drawing", content)


def _scale(times: Sequence[datetime], spans: Sequence[Span]) -> tuple[Callable[[datetime], float], list[_Gap]]:
    """Positions of the times, and the gaps that are folded."""
    pairs = list(pairwise(times))
    active = sum((b - a for a, b in pairs if _is_active(a, b, spans)), timedelta(0))
    folded = [(a, b) for a, b in pairs if active and b - a > active and not _is_active(a, b, spans)]
    fold = min(_FOLD_SHARE, _FOLDS / len(folded)) if folded else 0.0
    rest = sum((b - a for a, b in pairs if (a, b) not in folded), timedelta(0))
    positions, at = {times[0]: float(_LEFT)}, float(_LEFT)
    for pair in pairs:
        share = fold if pair in folded else (1 - fold * len(folded)) * ((pair[1] - pair[0]) / rest if rest else 0)
        at += share * (_RIGHT - _LEFT)
        positions[pair[1]] = at
    return positions.__getitem__, [_Gap(*pair) for pair in folded]


def _is_active(start: datetime, end: datetime, spans: Sequence[Span]) -> bool:
    return any(span.active and span.start <= start and end <= span.end for span in spans)


def _rows(spans: Sequence[Span], left_out: int, x: Callable[[datetime], float], top: float) -> Iterator[Markup]:
    y = top
    for index, span in enumerate(spans):
        if left_out and index == _FIRST:
            yield text(_LEFT, y + 10, f"… {left_out} further attempts …", css="soft")
            y += _ROW
        start, end = x(span.start), _end(span, x)
        yield from _bar(span, start, end, y)
        y += _ROW + _LABEL * _stands_below(start, end)


def _end(span: Span, x: Callable[[datetime], float]) -> float:
    return max(x(span.end), x(span.start) + _NARROWEST)


def _stands_below(start: float, end: float) -> bool:
    """Whether neither side of the bar has space for its label."""
    return end >= _WIDTH * 0.62 and start <= _WIDTH * 0.38


def _bar(span: Span, start: float, end: float, y: float) -> Iterator[Markup]:
    css = f"outlined-{span.role}" if span.planned or not span.active else f"fill-{span.role}"
    yield rect(start, y, end - start, _BAR, css, span.label, 3)
    if _stands_below(start, end):
        yield text(start, y + _BAR + 13, span.label)
    elif end < _WIDTH * 0.62:
        yield text(end + 6, y + 10, span.label)
    else:
        yield text(start - 6, y + 10, span.label, "end")


def _gaps(gaps: Sequence[_Gap], x: Callable[[datetime], float], height: float, clock_width: float) -> Iterator[Markup]:
    for gap in gaps:
        middle = (x(gap.start) + x(gap.end)) / 2
        for shift in (-3, 3):
            foot = height - 18
            yield path(f"M{middle + shift - 2:.1f} {foot + 4:.1f}L{middle + shift + 2:.1f} {foot - 4:.1f}", "fold")
        length = short_duration(gap.end - gap.start)
        kept = clock_width + 10 + len(length) * _CHARACTER / 2  # free for the times at both ends of the axis
        yield text(min(max(middle, _LEFT + kept), _RIGHT - kept), height - 4, length, "middle")


def _axis(
    times: Sequence[datetime], x: Callable[[datetime], float], height: float, clock: Callable[[datetime], str]
) -> Iterator[Markup]:
    yield line(_LEFT, height - 18, _RIGHT, height - 18, "axis")
    yield text(_LEFT, height - 4, clock(times[0]))
    if len(times) > 1:
        yield text(x(times[-1]), height - 4, clock(times[-1]), "end")


def _anchor(x: float) -> str:
    return "end" if x > _RIGHT - 20 else "start" if x < _LEFT + 20 else "middle"
