"""The view models of the executors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from markupsafe import Markup

from duebook_api.console.pages.svg.gauge import gauge
from duebook_api.console.pages.words import count
from duebook_common.runtime.phrases import quantity

STATES = (("", "all"), ("alive", "alive"), ("draining", "draining"), ("lost", "lost"))


@dataclass(frozen=True, slots=True)
class ExecutorRow:
    """`load` is the drawing of its slots in use, `slots` the same in words."""

    id: str
    name: str
    host: str
    version: str
    state: str
    queues: Sequence[str]
    tasks: Sequence[str]
    slots: str
    load: Markup
    started_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class RunRow:
    id: UUID
    job_id: UUID
    job_name: str
    task: str
    queue: str
    attempt: int
    started_at: datetime
    cancel_requested: bool


@dataclass(frozen=True, slots=True)
class ExecutorsPage:
    sentence: str
    is_urgent: bool
    rows: list[ExecutorRow]


def executors_page(executors: Sequence[Mapping[str, Any]], *, is_all: bool) -> ExecutorsPage:
    """The list. `is_all` says that no executor is missing in it: only then are there sums."""
    alive = [each for each in executors if each["state"] == "alive"]
    lost = sum(each["state"] == "lost" for each in executors)
    sentence = _sentence(alive, lost) if is_all else f"{quantity(len(executors), 'executor')} on this page."
    return ExecutorsPage(sentence, is_all and (not alive or lost > 0), [row(each) for each in executors])


def _sentence(alive: Sequence[Mapping[str, Any]], lost: int) -> str:
    missing = (
        f" {quantity(lost, 'executor')} {'was' if lost == 1 else 'were'} lost within the last day." if lost else ""
    )
    if not alive:
        return "No executor is alive: what is due waits until one starts." + missing
    running, slots = sum(each["running"] for each in alive), sum(each["slots"] for each in alive)
    verb = "is" if len(alive) == 1 else "are"
    used = f"{count(running)} of {quantity(slots, 'slot')} {'is' if running == 1 else 'are'} in use"
    return f"{quantity(len(alive), 'executor')} {verb} alive; {used}." + missing


def row(executor: Mapping[str, Any]) -> ExecutorRow:
    running, slots = executor["running"], executor["slots"]
    words = f"{count(running)} of {count(slots)}"
    return ExecutorRow(
        id=executor["id"],
        name=executor["name"],
        host=executor["host"] or executor["name"].rpartition("/")[0] or executor["name"],
        version=executor["version"],
        state=executor["state"],
        queues=executor["queues"],
        tasks=executor["tasks"],
        slots=words,
        load=gauge(running, slots, f"{words} slots in use"),
        started_at=executor["started_at"],
        seen_at=executor["seen_at"],
    )


def run_rows(executor: Mapping[str, Any]) -> list[RunRow]:
    """What the executor is doing."""
    names = ("id", "job_id", "job_name", "task", "queue", "attempt", "started_at", "cancel_requested")
    return [RunRow(**{name: run[name] for name in names}) for run in executor["runs"]]


def state_sentence(executor: Mapping[str, Any]) -> str:
    """What the executor's state means for its work."""
    if executor["state"] == "lost":
        return "It was not heard of for a minute. Its runs start again elsewhere when their leases end."
    if executor["state"] == "draining":
        return "It is stopping: it takes no further run, and ends when those under way have ended."
    return f"It executes {quantity(executor['running'], 'run')}; it can execute {count(executor['slots'])} at once."
