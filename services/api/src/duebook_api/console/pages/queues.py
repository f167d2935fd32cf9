"""The view model of the queues, and what can be done with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from duebook_api.console.pages.svg.sparkline import sparkline
from duebook_api.console.pages.times import Times
from duebook_common.runtime.phrases import quantity, short_duration
from duebook_common.store.statistics_queries import StartsOfStep

HOUR, BARS = timedelta(hours=1), 20
STEP = HOUR / BARS
_RECENT = 2  # the bars from which the rate of now is read
_NUMBERS = ("due", "waiting", "dispatched", "running", "retrying", "dead_lettered")


@dataclass(frozen=True, slots=True)
class QueueRow:
    """`rate` are starts in each second, `starts` their drawing: both empty for a reader who may not see statistics."""

    name: str
    status: str
    numbers: Mapping[str, int]
    oldest_due_at: datetime | None
    age: str
    executors: int
    pause: Mapping[str, Any] | None
    warning: str
    rate: str
    starts: Markup


@dataclass(frozen=True, slots=True)
class QueuesPage:
    sentence: str
    freeze: Mapping[str, Any] | None
    rows: list[QueueRow]


Starts = Mapping[str, Sequence[int]]


def starts_of(minutes: Iterable[StartsOfStep], now: datetime) -> dict[str, list[int]]:
    """The starts of each queue in each step of the last hour, oldest first, from those of its minutes."""
    found: dict[str, list[int]] = {}
    for minute in minutes:
        bar = BARS - 1 - (now - minute.at) // STEP
        if 0 <= bar < BARS:
            found.setdefault(minute.key, [0] * BARS)[bar] += minute.number
    return found


def queues_page(
    queues: Sequence[Mapping[str, Any]], freeze: Mapping[str, Any] | None, starts: Starts | None, times: Times
) -> QueuesPage:
    """The list; `starts` is None for a reader who may not see statistics."""
    return QueuesPage(_sentence(queues), freeze, [_row(each, starts, times) for each in queues])


def _sentence(queues: Sequence[Mapping[str, Any]]) -> str:
    unstarted = sum(each["due"] + each["waiting"] + each["dispatched"] for each in queues)
    running, paused = sum(each["running"] for each in queues), sum(each["pause"] is not None for each in queues)
    due = (
        f"{quantity(unstarted, 'job or run', 'jobs or runs')} {'is' if unstarted == 1 else 'are'} due, sent or waiting"
    )
    runs = f"{quantity(running, 'run')} {'is' if running == 1 else 'are'} running"
    rest = f" {quantity(paused, 'queue')} {'is' if paused == 1 else 'are'} paused." if paused else ""
    return f"{quantity(len(queues), 'queue')}; {due}, {runs}.{rest}"


def _row(queue: Mapping[str, Any], starts: Starts | None, times: Times) -> QueueRow:
    oldest: datetime | None = queue["oldest_due_at"]
    bars = starts.get(queue["name"], [0] * BARS) if starts is not None else None
    return QueueRow(
        name=queue["name"],
        status="paused" if queue["pause"] or queue["frozen"] else "active",
        numbers={name: queue[name] for name in _NUMBERS},
        oldest_due_at=oldest,
        age=short_duration(max(timedelta(0), times.now - oldest)) if oldest else "",
        executors=queue["executors"],
        pause=queue["pause"],
        warning="" if queue["executors"] else "no executor serves it",
        rate="" if bars is None else rate(sum(bars[-_RECENT:]), STEP * _RECENT),
        starts=Markup() if bars is None else sparkline(bars, "succeeded", f"{quantity(sum(bars), 'start')} in an hour"),
    )


def rate(number: int, span: timedelta) -> str:
    """Like `41/s`, `0.1/s` or `3/min`."""
    per_second = number / span.total_seconds()
    if per_second >= 10 or number == 0:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 0.1 else f"{per_second * 60:.1f}/min"
