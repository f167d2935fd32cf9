from duebook_api.console.pages.navigation import SECTIONS, entries
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
