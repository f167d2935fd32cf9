"""The view model of the overview."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duebook_api.console.pages.times import Times, duration

_ORDER = ("due", "waiting", "running", "retrying", "dead_lettered")
_WORDS = {"dead_lettered": "dead letters"}
_PATHS = {"dead_lettered": "/console/dead-letters"}


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
class OverviewPage:
    figures: list[Figure]
    groups: list[Mapping[str, Any]]
    queues: list[Mapping[str, Any]]
    oldest_dead_letter_at: datetime | None
    is_empty: bool


def overview(numbers: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], times: Times) -> OverviewPage:
    oldest: datetime | None = numbers["oldest_dead_letter_at"]
    remark = f"oldest {duration(times.now - oldest)}" if oldest else ""
    figures = [_figure(name, numbers[name], remark if name == "dead_lettered" else "") for name in _ORDER]
    overdue = numbers["overdue_jobs"]
    figures.append(Figure("overdue", overdue, "due", "/console/jobs", role="dead" if overdue else ""))
    queues = list(numbers["queues"])
    busy = any(numbers[name] for name in _ORDER)
    return OverviewPage(figures, list(groups), queues, oldest, is_empty=not queues and not busy)


def _figure(name: str, number: int, remark: str) -> Figure:
    role = {"retrying": "retrying", "dead_lettered": "dead"}.get(name, "") if number else ""
    query = () if name in _PATHS else (("status", "dispatched" if name == "due" else name),)
    return Figure(_WORDS.get(name, name), number, name, _PATHS.get(name, "/console/runs"), query, remark, role)
