"""The side navigation: what the console has, and what of it a reader may see."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from duebook_common.runtime.scopes import Scope, allowed


@dataclass(frozen=True, slots=True)
class Item:
    """A page of the navigation. `shortcut` follows `g`; `count` names a number of the overview; `role` colours it."""

    title: str
    path: str
    scope: Scope
    shortcut: str = ""
    count: str = ""
    role: str = ""


SECTIONS: tuple[tuple[str, tuple[Item, ...]], ...] = (
    (
        "",
        (
            Item("Overview", "/console", Scope.RUNS_READ, "o"),
            Item("Jobs", "/console/jobs", Scope.JOBS_READ, "j"),
            Item("Runs", "/console/runs", Scope.RUNS_READ, "r"),
            Item("Dead letters", "/console/dead-letters", Scope.DEAD_LETTERS_READ, "d", "dead_lettered", "dead"),
            Item("Queues", "/console/queues", Scope.QUEUES_READ, "q"),
            Item("Executors", "/console/executors", Scope.SYSTEM_READ, "e"),
        ),
    ),
    (
        "Time",
        (
            Item("Forecast", "/console/forecast", Scope.JOBS_READ, "f"),
            Item("Events", "/console/events", Scope.EVENTS_READ, "v"),
        ),
    ),
    (
        "Operation",
        (
            Item("Bulk operations", "/console/bulk", Scope.RUNS_READ, "b"),
            Item("Mails", "/console/mails", Scope.MAILS_READ, "m"),
            Item("Keys and audit", "/console/keys", Scope.KEYS, "k"),
            Item("System", "/console/system", Scope.SYSTEM_READ, "s"),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as it is drawn."""

    item: Item
    current: bool
    count: int | None


def entries(path: str, scopes: Collection[str], overview: Mapping[str, Any] | None) -> list[tuple[str, list[Entry]]]:
    """The sections of the navigation with the items that the scopes allow, for the page at the path."""
    drawn = [
        (title, [_entry(item, path, overview or {}) for item in items if allowed(scopes, item.scope)])
        for title, items in SECTIONS
    ]
    return [(title, items) for title, items in drawn if items]


def _entry(item: Item, path: str, overview: Mapping[str, Any]) -> Entry:
    below = path.startswith(f"{item.path}/") and item.path != "/console"
    number = overview.get(item.count)
    return Entry(item, current=path == item.path or below, count=number if isinstance(number, int) else None)


def opens(path: str, scopes: Collection[str]) -> bool:
    """Whether the navigation has this page and the reader may see it: any other link would lead nowhere."""
    return any(item.path == path and allowed(scopes, item.scope) for _, items in SECTIONS for item in items)


def first_page(scopes: Collection[str]) -> str | None:
    """Where a reader starts who may not see the overview."""
    return next((item.path for _, items in SECTIONS for item in items if allowed(scopes, item.scope)), None)
