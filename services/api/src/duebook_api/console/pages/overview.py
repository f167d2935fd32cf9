"""The view model of the overview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from markupsafe import Markup

from duebook_api.console.pages.svg.bars import Bar, Block, outcome_bars
from duebook_api.console.pages.svg.lines import Point, lateness_lines
from duebook_api.console.pages.svg.sparkline import sparkline
from duebook_api.console.pages.times import Times, rough
from duebook_api.console.pages.words import count
from duebook_common.runtime.phrases import quantity, short_duration

STEP, PAST = timedelta(minutes=5), timedelta(hours=5)
LAST_HOUR = timedelta(hours=1)
_ORDER = ("waiting", "running", "retrying", "dead_lettered")
_WORDS = {"dead_lettered": "dead letters"}
_PATHS = {"dead_lettered": "/console/dead-letters"}
Items = Sequence[Mapping[str, Any]]


class Upcoming(NamedTuple):
    """A forecast by steps: the items are like `{"at": …, "runs": 41}`."""

    step: timedelta
    items: Items


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the large numbers: its word, where it leads to, and a remark beside it."""

    word: str
    number: int
    status: str
    path: str = ""
    query: tuple[tuple[str, str], ...] = ()
    remark: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Dead letters that failed alike."""

    fingerprint: str
    error: str
    number: int
    jobs: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class QueueRow:
    name: str
    not_started: int
    oldest: str
    running: int
    executors: int
    pause: Mapping[str, Any] | None
    last_hour: Markup


@dataclass(frozen=True, slots=True)
class Punctuality:
    """How late runs started in the last hour, and how it has been; None where nothing has started."""

    facts: list[tuple[str, str]]
    lines: Markup


@dataclass(frozen=True, slots=True)
class Services:
    alive: int
    lost: list[str]


def figures(numbers: Mapping[str, Any], times: Times, slots: int | None = None) -> list[Figure]:
    """The numbers of `GET /api/overview`; `slots` are those of all executors, None for a key that may not see them."""
    oldest: datetime | None = numbers["oldest_dead_letter_at"]
    remarks = {
        "dead_lettered": f"oldest {rough(times.now - oldest)}" if oldest else "",
        "running": f"of {quantity(slots, 'slot')}" if slots is not None else "",
    }
    shown = [_figure(name, numbers[name], remarks.get(name, "")) for name in _ORDER]
    overdue = numbers["overdue_jobs"]
    return [_due(numbers), *shown, Figure("overdue", overdue, "due", "/console/jobs", role="dead" if overdue else "")]


def _due(numbers: Mapping[str, Any]) -> Figure:
    """What is due or sent, as the list of queues has it; of a paused queue only that list has all."""
    number, sent = numbers["due"] + numbers["dispatched"], numbers["dispatched"]
    remark = f"{count(sent)} sent" if sent else ""
    if numbers["paused"]:
        return Figure("due", number, "due", "/console/queues", remark=remark)
    return Figure("due", number, "due", "/console/runs", (("status", "dispatched"),), remark)


def _figure(name: str, number: int, remark: str) -> Figure:
    role = {"retrying": "retrying", "dead_lettered": "dead"}.get(name, "") if number else ""
    query = () if name in _PATHS else (("status", name),)
    return Figure(_WORDS.get(name, name), number, name, _PATHS.get(name, "/console/runs"), query, remark, role)


def sentence(numbers: Mapping[str, Any], ledger: Mapping[str, int]) -> str:
    """What came of the last hour, and whether the times of the newest recurring jobs are accounted for."""
    stack = _stack(numbers["last_hour"]["counts"])
    succeeded, dead = (quantity(stack[name], "run") for name in ("succeeded", "dead_lettered"))
    retried = quantity(stack["retrying"], "attempt was", "attempts were")
    words = f"In the last hour {succeeded} succeeded, {retried} retried and {dead} failed for good."
    if not ledger["expected"]:
        return words
    times, jobs = quantity(ledger["expected"], "time"), quantity(ledger["jobs"], "recurring job")
    number = ledger["unaccounted"]
    accounted = "none is" if not number else f"{quantity(number, 'is', 'are')}"
    return f"{words} Of {times} of {jobs} {accounted} unaccounted for."


def picture(items: Items, upcoming: Upcoming, times: Times) -> Markup:
    """Outcomes of the last hours and the forecast of the next ones on one axis."""
    start = first_step(times.now)
    bars = [Bar(item["at"], _stack(item["counts"])) for item in items if item["at"] >= start]
    return outcome_bars(bars, STEP, blocks(upcoming, times.now), times, start)


def first_step(now: datetime) -> datetime:
    """The start of the past that the pictures show, at a multiple of the step as statistics are counted."""
    start = now - PAST
    return start - (start - datetime(1970, 1, 1, tzinfo=UTC)) % STEP


def _stack(counts: Mapping[str, int]) -> dict[str, int]:
    """An attempt that failed and was not the last one was a retry."""
    dead = counts.get("dead_lettered", 0)
    return {
        "succeeded": counts.get("succeeded", 0),
        "retrying": max(0, counts.get("failed", 0) - dead),
        "dead_lettered": dead,
    }


def blocks(upcoming: Upcoming, now: datetime) -> list[Block]:
    """The steps of a forecast that are not over; of the present one what is left of its time."""
    ends = ((item, item["at"] + upcoming.step) for item in upcoming.items)
    return [Block(max(item["at"], now), end, item["runs"]) for item, end in ends if end > now]


def causes(groups: Items) -> list[Cause]:
    """The groups of dead letters, each by the first line of its error."""
    return [
        Cause(
            group["fingerprint"],
            group["error"].strip().partition("\n")[0][:160] or group["task"],
            group["runs"],
            group["jobs"],
            group["first_seen"],
            group["last_seen"],
        )
        for group in groups
    ]


def queue_rows(queues: Items, items: Items, times: Times) -> list[QueueRow]:
    """The queues, each with what it has finished in the last hour."""
    return [_queue_row(queue, items, times) for queue in queues]


def _queue_row(queue: Mapping[str, Any], items: Items, times: Times) -> QueueRow:
    start = times.now - LAST_HOUR
    steps = [0] * int(LAST_HOUR / STEP)
    for item in items:
        if item["key"] == queue["name"] and item["at"] >= start:
            steps[min(len(steps) - 1, int((item["at"] - start) / STEP))] += sum(item["counts"].values())
    oldest = queue["oldest_due_at"]
    return QueueRow(
        name=queue["name"],
        not_started=queue["due"] + queue["waiting"] + queue["dispatched"],
        oldest=short_duration(times.now - oldest) if oldest and oldest < times.now else "–",
        running=queue["running"],
        executors=queue["executors"],
        pause=queue["pause"],
        last_hour=sparkline(steps, "succeeded", f"finished in the last hour: {sum(steps):,}"),
    )


def punctuality(items: Items, times: Times) -> Punctuality:
    """The lateness of the newest steps, and the lines of the last hours."""
    start = first_step(times.now)
    points = [
        Point(item["at"], item["lateness"]["p50"], item["lateness"]["p99"])
        for item in items
        if item["lateness"]["p50"] is not None and item["at"] >= start
    ]
    last = [point for point in points if point.at > times.now - LAST_HOUR]
    facts = []
    if last:
        worst = {"p50": max(point.p50 for point in last), "p99": max(point.p99 for point in last)}
        facts = [(name, short_duration(timedelta(seconds=seconds))) for name, seconds in worst.items()]
    return Punctuality(facts, lateness_lines(points, times, start) if points else Markup())


def services(found: Items) -> Services:
    """How many run, and which were lost."""
    lost = [f"{each['service']} on {each['host']}" for each in found if each["state"] == "lost"]
    return Services(len(found) - len(lost), lost)
