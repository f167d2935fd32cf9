"""What the commands print: data on stdout as a table or as JSON, talk on stderr."""

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

_WIDTH = 1_000_000  # no line is broken here: a terminal does that by itself, and no id is cut
_BROKEN_PIPE = 141  # as a program ends that SIGPIPE ended
_LONGEST = 40  # on a terminal, a longer text in a list is abridged; an id and a time are shorter


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"


def say(line: str) -> None:
    """One line to the person, beside the data."""
    print(f"duebook: {_printable(line)}", file=sys.stderr)


def show_list(items: Sequence[Mapping[str, Any]], columns: Sequence[str], form: Format) -> None:
    """A line for each item, or all of them with all their fields as one JSON array."""
    if form is Format.JSON:
        show_json(items)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    longest = _LONGEST if sys.stdout.isatty() else None
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=longest)
    rows = [[cell(item.get(column)) for column in columns] for item in items]
    for row in rows:
        table.add_row(*map(Text, row))
    _print_table(table)


def show_item(item: Mapping[str, Any], form: Format) -> None:
    """A line for each field, or the item as JSON."""
    if form is Format.JSON:
        show_json(item)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    for name, value in item.items():
        table.add_row(name, Text(paragraph(value)))
    _print_table(table)


def show_json(value: Any, *, indent: int | None = 2) -> None:
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    write(json.dumps(value, indent=indent, ensure_ascii=ascii_only))


def cell(value: Any) -> str:
    """A value on one line."""
    return " ".join(paragraph(value).split())


def paragraph(value: Any) -> str:
    """A value as text that cannot command a terminal; texts keep their lines."""
    match value:
        case None:
            return "-"
        case str():
            return "\n".join(map(_printable, value.splitlines()))
        case list() if value and all(isinstance(each, str) for each in value):
            return ", ".join(map(_printable, value))
        case _:
            return _printable(json.dumps(value, ensure_ascii=False))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _print_table(table: Table) -> None:
    buffer = io.StringIO()
    bold = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    Console(file=buffer, width=_WIDTH, force_terminal=bold, highlight=False).print(table)
    write("\n".join(line.rstrip() for line in buffer.getvalue().splitlines()))


def write(text: str) -> None:
    """A piece of data to stdout, at once; a reader that went away ends the program quietly."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _give_up_stdout()
        raise SystemExit(_BROKEN_PIPE) from None
    except OSError as error:
        _give_up_stdout()
        raise Failure(f"cannot write to stdout: {error.strerror}") from error


def _give_up_stdout() -> None:
    """Nothing more is written, not even what lies in the buffer when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def first(items: Iterable[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """At most `limit` of them; where there are more, a person is told."""
    found: list[dict[str, Any]] = []
    for item in items:
        if len(found) == limit:
            say(f"these are the first {limit}; --limit shows more")
            break
        found.append(item)
    return found
