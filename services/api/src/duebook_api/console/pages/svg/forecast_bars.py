"""Bars of the forecast: the future is outlined; a dashed line is the fleet without the changes; DST days are marked."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup

from duebook_api.console.pages.svg.axes import TOP, Axes, nice_top
from duebook_api.console.pages.svg.elements import in_scroll, line, path, rect, svg, text, twin
from duebook_api.console.pages.times import Times

_WIDTH, _HEIGHT, _LEFT = 1080, 220, 48
_MOST_LABELS = 10


class Step(NamedTuple):
    """The runs of one step of time; `before` are those without the changes."""

    at: datetime
    runs: int
    before: int | None = None


def forecast_bars(
    steps: Sequence[Step], step: timedelta, clock_changes: Sequence[tuple[datetime, str]], times: Times
) -> Markup:
    """The drawing of steps without gaps, and its twin."""
    if not steps:
        return Markup()
    top = nice_top(max(max(each.runs, each.before or 0) for each in steps))
    axes = Axes(steps[0].at, steps[-1].at + step, top, _LEFT, _WIDTH, _HEIGHT)
    content = [
        *axes.grid(),
        *(_bar(each, step, axes, times) for each in steps if each.runs),
        *_before(steps, step, axes),
        *_labels(axes, times),
        *(mark for change in clock_changes for mark in _clock_change(*change, axes)),
    ]
    title = f"Runs from {times.text(axes.start)} until {times.text(axes.end)}"
    return in_scroll(svg(title, _WIDTH, _HEIGHT, "drawing bars", content), title) + _twin(steps, times)


def _bar(each: Step, step: timedelta, axes: Axes, times: Times) -> Markup:
    x, width, y = axes.x(each.at), axes.x(each.at + step) - axes.x(each.at), axes.y(each.runs)
    title = f"{times.text(each.at)}: {each.runs:,} runs"
    gap = min(1.5, width / 4)
    return rect(x + gap / 2, y, max(0.6, width - gap), max(0.6, axes.y(0) - y), "outline", title, 1)


def _before(steps: Sequence[Step], step: timedelta, axes: Axes) -> Iterator[Markup]:
    """The line of the fleet without the changes, where it differs anywhere."""
    if any(each.before not in {None, each.runs} for each in steps):
        points = (
            f"H{axes.x(each.at):.1f}V{axes.y(each.before or 0):.1f}H{axes.x(each.at + step):.1f}" for each in steps
        )
        yield path(f"M{_LEFT} {axes.y(steps[0].before or 0):.1f}{''.join(points)}", "before")


def _labels(axes: Axes, times: Times) -> Iterator[Markup]:
    """Full hours or days of the reader's zone."""
    span = axes.end - axes.start
    by_day = span > timedelta(days=2)
    unit = timedelta(days=1) if by_day else timedelta(hours=1)
    every = max(1, -(-span // (unit * _MOST_LABELS)))
    local = times.local(axes.start)
    at = (local.replace(hour=0) if by_day else local).replace(minute=0, second=0, microsecond=0) + unit
    count = 0
    while at < axes.end:
        shown = count % every == 0 if by_day else at.hour % every == 0
        if shown and axes.x(at) < _WIDTH - 24:
            yield text(axes.x(at), _HEIGHT - 4, f"{at:%a} {at.day} {at:%b}" if by_day else f"{at:%H:%M}", "middle")
        at, count = at + unit, count + 1


def _clock_change(at: datetime, zone: str, axes: Axes) -> Iterator[Markup]:
    if axes.start <= at < axes.end:
        x = axes.x(at)
        yield line(x, TOP - 8, x, axes.y(0), "clock-change")
        near_edge = x > _WIDTH - 160
        yield text(x + (-4 if near_edge else 4), 12, f"clocks change, {zone}", "end" if near_edge else "start")


def _twin(steps: Sequence[Step], times: Times) -> Markup:
    if all(each.before is None for each in steps):
        return twin("as a table", ("from", "runs"), [(times.text(each.at), f"{each.runs:,}") for each in steps])
    rows = [(times.text(each.at), f"{each.before or 0:,}", f"{each.runs:,}") for each in steps]
    return twin("as a table", ("from", "runs now", "with the changes"), rows)
