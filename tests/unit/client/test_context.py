"""What a task says is made storable and bounded before anyone stores it, and saying it fails no task."""

from typing import Any

import pytest

from duebook.context import LARGEST_CHECKPOINT, Line, PrintingSink, Progress
from support.executions import context_with


class Kept(PrintingSink):
    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.shares: list[Progress] = []

    def log(self, line: Line) -> None:
        self.lines.append(line)

    def progress(self, progress: Progress) -> None:
        self.shares.append(progress)


class Mute:
    def __str__(self) -> str:
        raise OSError


def line(message: object, **arguments: Any) -> Line:
    sink = Kept()
    context_with(sink).log(message, **arguments)
    return sink.lines[0]


@pytest.mark.parametrize(
    ("message", "stored"),
    [(1, "1"), ("a\0b", "a\ufffdb"), ("half \ud800", "half ?"), (Mute(), "a Mute that cannot be printed")],
    ids=["number", "NUL", "surrogate", "mute"],
)
def test_any_message_becomes_text_that_can_be_stored(message: object, stored: str) -> None:
    assert line(message) == Line(stored, "info", {})


def test_a_long_line_is_cut_and_large_fields_are_dropped() -> None:
    assert len(line("x" * 10_000).message) == 8192
    assert line("x", text="y" * 9000).fields == {"dropped": "the fields were larger than 8192 bytes"}


def test_fields_are_json_or_text_and_an_unknown_level_is_info() -> None:
    found = line("x", level="loud", rows=3, odd={1, 2}.__class__, mute=Mute())
    assert found.level == "info"
    assert found.fields == {"rows": 3, "odd": "<class 'set'>", "mute": "a Mute that cannot be printed"}


@pytest.mark.parametrize(
    ("share", "kept"),
    [(0.5, 0.5), (1, 1.0), (1.7, 1.0), (-3, 0.0), (None, None), (float("nan"), None), ("x", None)],
)
def test_a_share_lies_between_0_and_1(share: Any, kept: float | None) -> None:
    sink = Kept()
    context_with(sink).progress(share, "x" * 300)
    assert sink.shares == [Progress(kept, "x" * 200)]


@pytest.mark.parametrize("value", [object(), {1: 2}, float("nan"), "x" * LARGEST_CHECKPOINT])
def test_a_checkpoint_that_cannot_be_kept_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        context_with(None).checkpoint(value)
