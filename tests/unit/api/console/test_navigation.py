from typing import Any

import pytest

from duebook_api.console.pages.navigation import SECTIONS, entries, needs_overview
from duebook_common.runtime.scopes import Scope

ITEMS = [item for _, items in SECTIONS for item in items]


def test_a_reader_sees_only_what_the_key_may_read() -> None:
    drawn = [entry.item.title for _, items in entries("/console", {Scope.JOBS_READ}, None) for entry in items]
    assert "Jobs" in drawn
    assert "Overview" not in drawn


def test_a_shortcut_leads_to_one_page() -> None:
    shortcuts = [item.shortcut for item in ITEMS if item.shortcut]
    assert len(shortcuts) == len(set(shortcuts))


def test_the_page_and_those_below_it_are_marked() -> None:
    def current(path: str) -> list[str]:
        return [entry.item.path for _, items in entries(path, {Scope.ALL}, None) for entry in items if entry.current]

    assert current("/console") == ["/console"]
    assert current("/console/jobs/1") == ["/console/jobs"]


def _marks(overview: dict[str, Any], *scopes: str) -> dict[str, tuple[str, str]]:
    drawn = [entry for _, items in entries("/console/jobs", scopes or {Scope.ALL}, overview) for entry in items]
    return {entry.item.title: (entry.mark.words, entry.mark.status) for entry in drawn if entry.mark}


def _service(service: str, alive: int, lost: int, draining: int = 0) -> dict[str, Any]:
    return {"service": service, "alive": alive, "draining": draining, "lost": lost}


@pytest.mark.parametrize(
    ("paused", "words"),
    [(["mail"], "1 paused"), (["a", "b"], "2 paused"), (["*"], "frozen"), (["*", "a"], "frozen")],
)
def test_a_pause_is_seen_from_every_page(paused: list[str], words: str) -> None:
    overview = {"paused": [{"queue": queue} for queue in paused]}
    assert _marks(overview) == {"Queues": (words, "paused")}


@pytest.mark.parametrize(
    ("services", "marks"),
    [
        ([_service("executor", 2, 0), _service("scheduler", 1, 0)], {}),
        ([_service("executor", 2, 1)], {"Executors": ("1 lost", "warning")}),
        ([_service("executor", 0, 3)], {"Executors": ("no executor", "lost")}),
        ([_service("notifier", 1, 1), _service("scheduler", 0, 1, 1)], {"System": ("2 lost", "warning")}),
        ([_service("notifier", 1, 1), _service("scheduler", 0, 2)], {"System": ("no scheduler", "lost")}),
        ([_service("notifier", 0, 1), _service("scheduler", 0, 2)], {"System": ("2 services lost", "lost")}),
    ],
)
def test_lost_processes_are_seen_from_every_page(services: list[dict[str, Any]], marks: dict[str, Any]) -> None:
    assert _marks({"services": services}) == marks


def test_a_mark_is_shown_to_who_may_see_its_page() -> None:
    overview = {"paused": [{"queue": "mail"}], "services": [_service("executor", 0, 1)]}
    assert _marks(overview, Scope.QUEUES_READ).keys() == {"Queues"}
    assert _marks(overview, Scope.JOBS_READ) == {}
    assert not needs_overview({Scope.JOBS_READ, Scope.RUNS_READ})
    assert needs_overview({Scope.QUEUES_READ})


def test_a_mark_says_which_queues_are_paused() -> None:
    overview = {"paused": [{"queue": name} for name in "abcdefg"]}
    [title] = [e.mark.title for _, items in entries("/console", {Scope.ALL}, overview) for e in items if e.mark]
    assert title == "Paused: a, b, c, d, e and others."
