"""How an explanation is printed."""

from collections.abc import Mapping
from typing import Any

from duebook.cli import output
from duebook.cli.output import Format

_NOW, _WIDTH = "now", len("2026-11-24T01:00:00.000000Z")


def show(why: Mapping[str, Any], form: Format) -> None:
    """The answer, and beneath it the causes with their times; or all of it as JSON."""
    if form is Format.JSON:
        output.show_json(why)
        return
    lines = (f"  {each['at'] or _NOW:{_WIDTH}}  {output.cell(each['says'])}" for each in why["because"])
    output.write("\n".join([output.cell(why["answer"]), *lines]))
