"""Print the ledger of a job."""

from collections.abc import Mapping
from typing import Any

from duebook.cli import output
from duebook.cli.output import Format
from duebook.client import Client

_COLUMNS = ("nominal_at", "outcome", "reason", "run_id")
_TOTALS = ("expected", "recorded", "due", "unaccounted")


def print_ledger(api: Client, path: str, span: dict[str, Any], fmt: Format) -> None:
    """All entries of the range, and its totals."""
    pages = list(api.pages(path, **span))
    ledger = pages[-1] | {"items": [entry for page in pages for entry in page["items"]]}
    del ledger["next_cursor"]
    if fmt is Format.JSON:
        output.print_json(ledger)
    else:
        output.print_list(ledger["items"], _COLUMNS, fmt)
    output.print_message(", ".join(f"{ledger[name]} {name}" for name in _TOTALS))


def print_summary(summary: Mapping[str, Any], fmt: Format) -> None:
    """Print a line for each day or month, with a column for each outcome or mark that occurs, and the totals last."""
    if fmt is Format.JSON:
        output.print_json(summary)
        return
    rows = [*summary["items"], {"date": "total", **summary}]
    names = sorted(summary["outcomes"].keys() - {"due", "unaccounted"})
    flat = [dict.fromkeys(names, 0) | row["outcomes"] | row for row in rows]
    marks = [name for name in ("retried", "caught_up") if summary[name]]
    output.print_data(output.table(flat, ("date", *_TOTALS, *names, *marks)))
