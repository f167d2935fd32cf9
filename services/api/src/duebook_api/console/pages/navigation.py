"""The side navigation: what the console has, and what of it a reader may see."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.runtime.phrases import quantity
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
class PageMark:
    """What an operator must not overlook, whichever page is open: in words beside the page that has more of it."""

    words: str
    status: str
    title: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An item as it is drawn."""

    item: Item
    current: bool
    count: int | None
    mark: PageMark | None = None


def entries(path: str, scopes: Collection[str], overview: Mapping[str, Any] | None) -> list[tuple[str, list[Entry]]]:
    """The sections of the navigation with the items that the scopes allow, for the page at the path."""
    numbers = overview or {}
    marks = dict(_marks(numbers))
    drawn = [
        (title, [_entry(item, path, numbers, marks.get(item.path)) for item in items if allowed(scopes, item.scope)])
        for title, items in SECTIONS
    ]
    return [(title, items) for title, items in drawn if items]


def needs_overview(scopes: Collection[str]) -> bool:
    """Whether a reader with these scopes sees a count or a mark."""
    return any(opens(path, scopes) for path in ("/console/dead-letters", "/console/queues", "/console/system"))


def _entry(item: Item, path: str, overview: Mapping[str, Any], mark: PageMark | None) -> Entry:
    below = path.startswith(f"{item.path}/") and item.path != "/console"
    number = overview.get(item.count)
    return Entry(item, path == item.path or below, number if isinstance(number, int) else None, mark)


def _marks(overview: Mapping[str, Any]) -> Iterator[tuple[str, PageMark]]:
    """Each mark with the path of its page."""
    paused = [each["queue"] for each in overview.get("paused", ())]
    if INSTALLATION in paused:
        yield "/console/queues", PageMark("frozen", "paused", "Everything is frozen: nothing starts.")
    elif paused:
        title = f"Paused: {', '.join(paused[:5])}{' and others' if len(paused) > 5 else ''}."
        yield "/console/queues", PageMark(f"{len(paused):,} paused", "paused", title)
    services = overview.get("services", ())
    for path, items in (
        ("/console/executors", [each for each in services if each["service"] == "executor"]),
        ("/console/system", [each for each in services if each["service"] != "executor"]),
    ):
        if any(each["lost"] for each in items):
            yield path, _lost(items)


def _lost(services: list[Mapping[str, Any]]) -> PageMark:
    """A service without any process is worse than one that has lost some."""
    gone = [each["service"] for each in services if not each["alive"] and not each["draining"]]
    lost = sum(each["lost"] for each in services)
    title = f"{quantity(lost, 'process was', 'processes were')} not heard of for a minute."
    if not gone:
        return PageMark(f"{lost:,} lost", "warning", title)
    return PageMark(f"no {gone[0]}" if len(gone) == 1 else f"{len(gone)} services lost", "lost", title)


def opens(path: str, scopes: Collection[str]) -> bool:
    """Whether the navigation has this page and the reader may see it: any other link would lead nowhere."""
    return any(item.path == path and allowed(scopes, item.scope) for _, items in SECTIONS for item in items)


def first_page(scopes: Collection[str]) -> str | None:
    """Where a reader starts who may not see the overview."""
    return next((item.path for _, items in SECTIONS for item in items if allowed(scopes, item.scope)), None)
