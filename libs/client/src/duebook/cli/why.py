"""Print the answer of the API's `why` calls."""

from collections.abc import Mapping
from typing import Any

from duebook.cli import output
from duebook.cli.failures import as_commands
from duebook.cli.output import Format

_NOW, _WIDTH = "now", len("2026-11-24T01:00:00.000000Z")


def print_why(why: Mapping[str, Any], fmt: Format) -> None:
    """The answer, and below it each cause with its time; as JSON the whole body."""
    if fmt is Format.JSON:
        output.print_json(why)
        return
    causes = (f"  {cause['at'] or _NOW:{_WIDTH}}  {_line(cause['says'])}" for cause in why["because"])
    output.print_data("\n".join([_line(why["answer"]), *causes]))


def _line(sentence: str) -> str:
    return as_commands(output.one_line(sentence))
