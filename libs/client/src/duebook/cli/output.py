"""Print data to stdout, as a table or as JSON, and messages to stderr."""

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from duebook.cli.failures import Failure

_WIDTH = 1_000_000  # wide enough that no line is wrapped and no id truncated; a terminal wraps by itself
_BROKEN_PIPE = 141  # 128 + SIGPIPE, the exit code of a program that SIGPIPE has ended
_MAX_COLUMN = 40  # on a terminal, longer texts in a list are truncated; ids and times are shorter


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
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    width = _MAX_COLUMN if sys.stdout.isatty() else None
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=width)
    for item in items:
        table.add_row(*(Text(one_line(item.get(column))) for column in columns))
    _print_table(table)


def print_item(item: Mapping[str, Any], fmt: Format) -> None:
    """A table with one row per field, or the item as JSON."""
    if fmt is Format.JSON:
        print_json(item)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    for name, value in item.items():
        table.add_row(name, Text(printable(value)))
    _print_table(table)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    print_data(json.dumps(value, indent=indent, ensure_ascii=ascii_only))


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


def _print_table(table: Table) -> None:
    buffer = io.StringIO()
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    Console(file=buffer, width=_WIDTH, force_terminal=bold, highlight=False).print(table)
    print_data("\n".join(line.rstrip() for line in buffer.getvalue().splitlines()))


def print_data(text: str) -> None:
    """Write to stdout and flush. If the reader has closed the pipe, exit without a message; other errors: Failure."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _discard_stdout()
        raise SystemExit(_BROKEN_PIPE) from None
    except OSError as error:
        _discard_stdout()
        raise Failure(f"cannot write to stdout: {error.strerror}") from error


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
