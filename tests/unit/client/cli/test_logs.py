"""Following a job log: each entry once, also one that is committed below a printed one."""

from typing import Any

import pytest

from duebook.cli.logs import is_shown, line, new_entries
from duebook.cli.values import Level


def entries(*ids: int) -> list[dict[str, str]]:
    return [{"id": str(each)} for each in ids]


def test_an_entry_below_a_printed_one_is_new() -> None:
    assert new_entries(entries(5, 4, 3, 2, 1), {"1", "2", "4"}) == entries(5, 3)


def test_of_a_long_log_only_its_end_is_read_again() -> None:
    printed = {str(n) for n in range(1000)}
    newest = iter(entries(*range(1001, -1, -1)))
    assert new_entries(newest, printed) == entries(1001, 1000)
    assert next(newest) == {"id": str(1000 - 201)}


def logged(**fields: Any) -> dict[str, Any]:
    return {"attempt": 1, "status": "log", "message": "half", "logged_at": "2026-11-24T01:00:00Z", **fields}


def test_a_line_shows_its_level_and_fields() -> None:
    entry = logged(level="warning", fields={"rows": 3, "file": "a\x1b[2Jb"})
    assert line(entry) == "2026-11-24T01:00:00Z  1  warning        half  rows=3 file=a\\x1b[2Jb"


@pytest.mark.parametrize(("level", "shown"), [("debug", False), ("info", False), ("warning", True), ("error", True)])
def test_only_lines_of_the_level_or_above_are_shown(level: str, shown: bool) -> None:
    assert is_shown(logged(level=level), Level.WARNING) is shown


def test_what_happened_to_an_attempt_is_shown_at_any_level() -> None:
    assert is_shown(logged(status="started"), Level.ERROR)
