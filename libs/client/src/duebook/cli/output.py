"""Print data to stdout, as a table or as JSON, and messages to stderr."""

import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from duebook.cli.failures import Failure
from duebook_common.runtime.phrases import quantity

_BROKEN_PIPE = 141  # 128 + SIGPIPE, the exit code of a program that SIGPIPE has ended
_MAX_COLUMN = 40  # on a terminal, longer texts in a list are cut; ids and times are shorter
_CUT = {"error", "message"}  # texts of any length: in a list they are cut, also without a terminal
_MAX_CUT, _MIN_CUT = 80, 20
_GAP = "  "


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


def print_message(line: str) -> None:
    """A message to the user, on stderr."""
    print(f"duebook: {_escape(line)}", file=sys.stderr)


def print_list(items: Sequence[Mapping[str, Any]], columns: Sequence[str], fmt: Format) -> None:
    """A table with one row per item, or a JSON array of the items with all their fields."""
    if fmt is Format.JSON:
        print_json(items)
    else:
        print_data(table(items, columns))


def table(items: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """One line per item below the names of the columns. Long texts are cut, so that a line fits a terminal."""
    cells = [[one_line(in_words(column, item.get(column))) for column in columns] for item in items]
    if sys.stdout.isatty():
        cells = [
            [cell if c in _CUT else _cut(cell, _MAX_COLUMN) for c, cell in zip(columns, row, strict=True)]
            for row in cells
        ]
    limit = _capacity(columns, cells)
    cells = [[_cut(cell, limit) if c in _CUT else cell for c, cell in zip(columns, row, strict=True)] for row in cells]
    head, *lines = aligned([list(columns), *cells])
    return "\n".join([_bold(head), *lines])


def _capacity(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> int:
    """The width of a column of long texts: what the others leave of the terminal, if there is one."""
    if not sys.stdout.isatty():
        return _MAX_CUT
    others = [
        max(map(width, (column, *(row[n] for row in cells)))) + len(_GAP)
        for n, column in enumerate(columns)
        if column not in _CUT
    ]
    return min(max(shutil.get_terminal_size().columns - sum(others), _MIN_CUT), _MAX_CUT)


def _cut(text: str, limit: int) -> str:
    """The text, or as much of it as `limit` cells hold, with an ellipsis."""
    if width(text) <= limit:
        return text
    end = min(len(text), limit)
    while width(text[:end]) > limit - 1:
        end -= 1
    return f"{text[:end]}…"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, each column as wide as its widest cell."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    padded = ([cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True)] for row in rows)
    return [_GAP.join(row).rstrip() for row in padded]


def width(text: str) -> int:
    """How many cells of a terminal the text takes: East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def print_item(item: Mapping[str, Any], fmt: Format) -> None:
    """A table with one row per field, or the item as JSON."""
    if fmt is Format.JSON:
        print_json(item)
        return
    start = max(map(width, item), default=0)
    for name, value in item.items():
        first, *more = printable(in_words(name, value)).splitlines() or [""]
        print_data(f"{_bold(name)}{' ' * (start - width(name))}{_GAP}{first}".rstrip())
        for line in more:
            print_data(f"{' ' * start}{_GAP}{line}".rstrip())


def print_json(value: Any, *, indent: int | None = 2) -> None:
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    print_data(json.dumps(value, indent=indent, ensure_ascii=ascii_only))


def in_words(name: str, value: Any) -> Any:
    """A recurrence as the option takes it, who paused a queue, and a lineage; the value of any other field as it is."""
    match name, value:
        case "recurrence", dict():
            return " ".join(f"{kind} {text}" for kind, text in value.items())
        case "pause", {"paused_by": by, "since": since, "reason": reason}:
            return f"by {by} since {since}" + (f": {one_line(reason)}" if reason else "")
        case "lineage", [{}, *_]:
            return "\n".join(map(_step, value))
        case _:
            return value


def _step(step: Mapping[str, Any]) -> str:
    """A dead-lettering or a redrive on one line."""
    if step["event"] == "RunDeadLettered":
        return f"{step['at']}  dead-lettered after {quantity(step['failures'], 'failure')}{_after_colon(step['error'])}"
    payload = " with another payload" if step["own_payload"] else ""
    return f"{step['at']}  redriven by {step['actor']}{payload}{_after_colon(step['reason'])}"


def _after_colon(text: str | None) -> str:
    return f": {_cut(one_line(text), _MAX_CUT)}" if text else ""


def one_line(value: Any) -> str:
    return " ".join(printable(value).split())


def printable(value: Any) -> str:
    """A value as text. Control characters are escaped, because they could control the terminal; line breaks stay."""
    match value:
        case None:
            return "-"
        case str():
            return "\n".join(map(_escape, value.splitlines()))
        case list() if value and all(isinstance(each, str) for each in value):
            return ", ".join(map(_escape, value))
        case _:
            return _escape(json.dumps(value, ensure_ascii=False))


def _escape(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def print_data(text: str) -> None:
    """Write to stdout and flush. If the reader has closed the pipe, exit without a message; other errors: Failure."""
    try:
        print(text, flush=True)
    except OSError as error:
        raise unwritten(error) from error


def unwritten(error: OSError) -> Failure | SystemExit:
    """What to raise where stdout takes no more."""
    _discard_stdout()
    if isinstance(error, BrokenPipeError):
        return SystemExit(_BROKEN_PIPE)
    return Failure(f"cannot write to stdout: {error.strerror}")


def _discard_stdout() -> None:
    """Redirect stdout to /dev/null: the interpreter flushes its buffer at the end, which would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def take(items: Iterable[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """The first `limit` items; prints a message if there are more."""
    taken: list[dict[str, Any]] = []
    for item in items:
        if len(taken) == limit:
            print_message(f"these are the first {limit}; use --limit for more")
            break
        taken.append(item)
    return taken


def take_matching(pages: Iterable[Mapping[str, Any]], limit: int, *, to_the_end: bool) -> list[dict[str, Any]]:
    """The first `limit` items of the pages of a search, which ends at a page without any unless `to_the_end`.

    The API looks at so many items for a page; one that has none means that the next matches, if any, are far off.
    """
    return take(_matching(pages, to_the_end=to_the_end), limit)


def _matching(pages: Iterable[Mapping[str, Any]], *, to_the_end: bool) -> Iterator[dict[str, Any]]:
    for page in pages:
        yield from page["items"]
        if not page["items"] and page["next_cursor"] is not None and not to_the_end:
            print_message("the search ended at a long stretch without a match; use --all to search to the end")
            return
