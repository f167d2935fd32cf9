from datetime import UTC, datetime
from typing import Any

import pytest

from duebook_api.console.pages.run import log_lines, progress_view

NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("share", "text", "percent", "words"),
    [
        (0.29, "2 of 7 files", 29, "29 %: 2 of 7 files"),
        (0.999, "", 99, "99 %"),
        (1.0, "done", 100, "100 %: done"),
        (None, "counting", None, "counting"),
    ],
)
def test_the_progress_is_a_bar_and_words(share: float | None, text: str, percent: int | None, words: str) -> None:
    view = progress_view({"share": share, "text": text, "reported_at": NOW})
    assert view is not None
    assert (view.percent, view.words) == (percent, words)


def test_without_a_report_there_is_no_progress() -> None:
    assert progress_view(None) is None


def test_log_lines_are_oldest_first_with_their_fields_and_bounded() -> None:
    entries: list[dict[str, Any]] = [{"message": "x" * 9_000, "fields": {"big": "y" * 9_000}}]
    entries.append({"message": "half", "level": "warning", "fields": {"rows": 2**60, "of": ["a"], "file": "b"}})
    first, last = log_lines(entries)
    assert first["fields_text"] == f'rows={2**60} of=["a"] file=b'
    assert (len(last["message"]), len(last["fields_text"])) == (2_000, 1_000)
