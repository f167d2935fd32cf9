"""The view model of the forecast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from duebook_api.console.pages.svg.forecast_bars import Step, forecast_bars
from duebook_api.console.pages.times import Times
from duebook_api.console.pages.words import count
from duebook_common.runtime.phrases import quantity, short_duration

SPANS = (("1", "a day"), ("7", "7 days"), ("31", "31 days"), ("92", "92 days"), ("366", "a year"))
_HOUR = timedelta(hours=1)
_MOST_BARS, _MOST_JOBS, _MOST_TIMES = 120, 10, 20
_STEPS = (1, 2, 3, 6, 12, 24, 48, 96, 168)  # hours

EXAMPLE = """[
  {"create": {"name": "a new report", "recurrence": {"cron": "0 2 * * *"}, "timezone": "Europe/Berlin"}},
  {"job_id": "…", "patch": {"recurrence": {"every": "PT5M"}}},
  {"delete": "…"}
]"""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """`mean` and `p95` are the most runs at once, if attempts take so long; `slots` is None where it is not known."""

    name: str
    runs: int
    mean: int
    mean_at: datetime | None
    p95: int
    p95_at: datetime | None
    slots: int | None
    unmeasured: str

    @property
    def is_short(self) -> bool:
        return self.slots is not None and self.p95 > self.slots


@dataclass(frozen=True, slots=True)
class ClockChange:
    at: datetime
    zone: str
    words: str
    jobs_hit: int
    jobs: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What the changes add or remove: the number of times, and the first of them."""

    title: str
    count: int
    times: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ForecastPage:
    sentence: str
    drawing: Markup
    step: str
    queues: list[QueueRow]
    clock_changes: list[ClockChange]
    differences: list[Difference]


def forecast_page(
    view: Mapping[str, Any], before: Mapping[str, Any] | None, slots: Mapping[str, int] | None, times: Times
) -> ForecastPage:
    """`before` is the forecast without the changes; `slots` are those of the executors alive, by queue."""
    changes = [_clock_change(each) for each in view["clock_changes"]]
    step = step_of(view["to"] - view["from"])
    steps = in_steps(view, before, step)
    return ForecastPage(
        sentence=_sentence(view, before, times),
        drawing=forecast_bars(steps, step, [(each.at, each.zone) for each in changes], times),
        step=short_duration(step),
        queues=[_queue(each, slots) for each in view["queues"]],
        clock_changes=changes,
        differences=_differences(view),
    )


def _clock_change(change: Mapping[str, Any]) -> ClockChange:
    shown = change["jobs"][:_MOST_JOBS]
    return ClockChange(change["at"], change["timezone"], change["says"], change["jobs_hit"], shown)


def _sentence(view: Mapping[str, Any], before: Mapping[str, Any] | None, times: Times) -> str:
    until, runs = times.text(view["to"]), quantity(view["runs"], "run")
    if not view["runs"]:
        return f"No schedule names a time until {until}.{_more_or_fewer(view, before)}"
    busiest = max(view["hours"], key=lambda hour: hour["runs"])
    peak = f"The busiest hour begins on {times.text(busiest['at'])} and has {quantity(busiest['runs'], 'run')}."
    return f"{quantity(view['jobs'], 'job')} will make {runs} until {until}.{_more_or_fewer(view, before)} {peak}"


def _more_or_fewer(view: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    more = view["runs"] - before["runs"] if before is not None else 0
    words = "more" if more > 0 else "fewer"
    return f" That is {count(abs(more))} {words} than without the changes." if more else ""


def step_of(span: timedelta) -> timedelta:
    """The shortest step with which the bars of a span can be told apart."""
    return next((_HOUR * hours for hours in _STEPS if span / (_HOUR * hours) <= _MOST_BARS), _HOUR * _STEPS[-1])


def in_steps(view: Mapping[str, Any], before: Mapping[str, Any] | None, step: timedelta) -> list[Step]:
    """All steps of the window, from the full hour in which it begins, also those without a run."""
    start = view["from"].astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    number = max(1, -(-(view["to"] - start) // step))
    runs, earlier = (_sums(each, start, step, number) for each in (view, before or {"hours": []}))
    return [Step(start + n * step, runs[n], None if before is None else earlier[n]) for n in range(number)]


def _sums(view: Mapping[str, Any], start: datetime, step: timedelta, number: int) -> list[int]:
    sums = [0] * number
    for hour in view["hours"]:
        n = (hour["at"] - start) // step
        if 0 <= n < number:
            sums[n] += hour["runs"]
    return sums


def _queue(queue: Mapping[str, Any], slots: Mapping[str, int] | None) -> QueueRow:
    mean, p95, unmeasured = queue["peak"]["mean"], queue["peak"]["p95"], queue["unmeasured_jobs"]
    return QueueRow(
        name=queue["queue"],
        runs=queue["runs"],
        mean=mean["runs"],
        mean_at=mean["at"],
        p95=p95["runs"],
        p95_at=p95["at"],
        slots=None if slots is None else slots.get(queue["queue"], 0),
        unmeasured=f"{quantity(unmeasured, 'job')} without a measured duration: one second each" if unmeasured else "",
    )


def _differences(view: Mapping[str, Any]) -> list[Difference]:
    titles = {"added": "Times that are added", "removed": "Times that are removed"}
    return [
        Difference(title, view[name]["count"], view[name]["times"][:_MOST_TIMES])
        for name, title in titles.items()
        if name in view
    ]


def slots_by_queue(executors: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The slots of the executors alive. An executor of several queues counts for each: it may take runs of any."""
    slots: dict[str, int] = {}
    for executor in executors:
        if executor["state"] == "alive":
            for queue in executor["queues"]:
                slots[queue] = slots.get(queue, 0) + executor["slots"]
    return slots
