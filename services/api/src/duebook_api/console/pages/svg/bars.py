"""Bars over time: what came of runs, stacked and filled, then a line for now, then the forecast, outlined."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup

from duebook_api.console.pages.status import look
from duebook_api.console.pages.svg.axes import TOP, Axes, nice_top
from duebook_api.console.pages.svg.elements import in_scroll, line, rect, svg, text, twin
from duebook_api.console.pages.times import Times

_WIDTH, _HEIGHT, _LEFT = 760, 260, 40
STACK = ("succeeded", "retrying", "dead_lettered")


class Bar(NamedTuple):
    """What came of runs in one step of time, by status."""

    at: datetime
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Block(NamedTuple):
    """The runs that the schedules name between two instants."""

    start: datetime
    end: datetime
    runs: int


def outcome_bars(
    bars: Sequence[Bar], step: timedelta, blocks: Sequence[Block], times: Times, start: datetime
) -> Markup:
    """The drawing and its twin. The height of the forecast is that of one step, also where it is by the hour."""
    end = max([times.now + step, *(block.end for block in blocks)])
    rates = [(block, block.runs * min(1.0, step / (block.end - block.start))) for block in blocks]
    top = nice_top(max([1.0, *(bar.total for bar in bars), *(rate for _, rate in rates)]))
    axes = Axes(start, end, top, _LEFT, _WIDTH, _HEIGHT)
    content = [
        *axes.grid(),
        *(part for bar in bars for part in _bar(bar, step, axes, times)),
        *(_outline(block, rate, axes, times) for block, rate in rates),
        *_hours(axes, times),
        *_now(axes, times),
    ]
    title = f"Outcomes since {times.text(start)}, and the forecast until {times.text(end)}"
    return in_scroll(svg(title, _WIDTH, _HEIGHT, "drawing bars outcomes-bars", content), title) + _twin(
        bars, blocks, times
    )


def _bar(bar: Bar, step: timedelta, axes: Axes, times: Times) -> Iterator[Markup]:
    x, width = axes.x(bar.at), axes.x(bar.at + step) - axes.x(bar.at)
    title, bottom = f"{times.text(bar.at)}: {_words(bar)}", 0.0
    for status in STACK:
        count = bar.counts.get(status, 0)
        if count:
            y = axes.y(bottom + count)
            yield rect(
                x, y, max(0.6, width - min(1.2, width / 4)), axes.y(bottom) - y, f"fill-{look(status).role}", title
            )
            bottom += count


def _words(bar: Bar) -> str:
    return ", ".join(f"{bar.counts[status]:,} {look(status).word}" for status in STACK if bar.counts.get(status))


def _outline(block: Block, rate: float, axes: Axes, times: Times) -> Markup:
    x, width, y = axes.x(block.start), axes.x(block.end) - axes.x(block.start), axes.y(rate)
    title = f"{times.text(block.start)}: {block.runs:,} runs are scheduled until {times.text(block.end)}"
    gap = min(1.0, width / 8)
    return rect(x + gap, y + 0.5, max(1.0, width - 2 * gap), max(0.5, axes.y(0) - y), "outline", title, 1)


def _hours(axes: Axes, times: Times) -> Iterator[Markup]:
    """The full hours of the reader's zone, except where `now` stands."""
    every = max(1, round((axes.end - axes.start) / timedelta(hours=8)))
    hour = times.local(axes.start).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour < axes.end:
        if hour.hour % every == 0 and axes.x(hour) < _WIDTH - 16:
            yield text(axes.x(hour), _HEIGHT - 4, f"{hour:%H:%M}", "middle")
        hour += timedelta(hours=1)


def _now(axes: Axes, times: Times) -> Iterator[Markup]:
    x = axes.x(times.now)
    yield line(x, TOP - 8, x, axes.y(0), "now")
    near_edge = x > _WIDTH - 40
    anchor = "end" if near_edge else "middle"
    yield text(_WIDTH if near_edge else x, 10, f"now {times.local(times.now):%H:%M}", anchor, "label-now")


def _twin(bars: Sequence[Bar], blocks: Sequence[Block], times: Times) -> Markup:
    heads = ("from", *(look(status).word for status in STACK), "scheduled")
    past = [(times.text(bar.at), *(bar.counts.get(status, 0) for status in STACK), "") for bar in bars]
    future = [(times.text(block.start), *("" for _ in STACK), block.runs) for block in blocks]
    return twin("as a table", heads, [*past, *future])
