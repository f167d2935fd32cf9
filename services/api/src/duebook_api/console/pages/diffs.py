"""What a change has changed: the lines of two JSON texts side by side, with marks beside the colours."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import orjson

from duebook_api.console.pages.json_text import json_text

_AROUND = 2  # lines of context
_LONGEST = 4_000  # lines: the comparison of longer texts takes too long


class DiffLine(NamedTuple):
    """`mark` is `+`, `-`, a space for a line of both, or `…` for lines left out."""

    mark: str
    text: str


def diff(old: Any, new: Any) -> list[DiffLine]:
    """The lines that differ, with some around them; none if both are equal."""
    before, after = _lines(old), _lines(new)
    if before == after:
        return []
    if len(before) + len(after) > _LONGEST:
        return [DiffLine("…", "too long to compare line by line")]
    return list(_changes(before, after))


def _changes(before: list[str], after: list[str]) -> Iterator[DiffLine]:
    shown = 0
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(_AROUND):
        if group[0][1] > shown:
            yield DiffLine("…", "")
        for kind, first, last, start, end in group:
            if kind == "equal":
                yield from (DiffLine(" ", text) for text in before[first:last])
                continue
            yield from (DiffLine("-", text) for text in before[first:last])
            yield from (DiffLine("+", text) for text in after[start:end])
        shown = group[-1][2]
    if shown < len(before):
        yield DiffLine("…", "")


def _lines(value: Any) -> list[str]:
    ordered = orjson.loads(orjson.dumps(value, str, orjson.OPT_SORT_KEYS))
    return json_text(ordered).splitlines()
