"""`duebook stats`: what came of runs over time."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.names import OfJob, filter_id
from duebook.cli.options import Output, connect, parse_option, timestamp
from duebook.cli.output import Format
from duebook.cli.parsing import iso_duration
from duebook_common.runtime.phrases import short_duration


class Dimension(StrEnum):
    OUTCOME = "outcome"
    QUEUE = "queue"
    TASK = "task"
    JOB = "job"


_COUNTS = ("succeeded", "dead_lettered", "cancelled", "skipped", "discarded", "failed")
_TIMES = tuple(f"{measure}_p{share}" for measure in ("lateness", "duration") for share in (50, 99))


def stats(
    start: Annotated[str | None, typer.Option("--from", help="Start of the range, e.g. '6h ago'. Default: 1d.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of the range, exclusive. Default: now.")] = None,
    step: Annotated[str, typer.Option(help="The length of a step: minutes, hours or days.")] = "1h",
    by: Annotated[Dimension | None, typer.Option(help="What is told apart. Default: outcomes only.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only of this queue.")] = None,
    task: Annotated[str | None, typer.Option(help="Only of this task.")] = None,
    job: OfJob = None,
    keys: Annotated[int | None, typer.Option(min=1, max=50, help="How many keys are shown. Default: 10.")] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Count outcomes in steps of time, with lateness and duration. The last lines are totals."""
    span = {"from": parse_option("--from", timestamp, start), "to": parse_option("--to", timestamp, end)}
    filters = {"step": parse_option("--step", iso_duration, step), "by": by, "queue": queue, "task": task, "keys": keys}
    with connect() as api:
        found = api.get("/api/stats", **span, **filters, job_id=filter_id(api, job))
    if fmt is Format.JSON:
        output.print_json(found)
    else:
        rows = [*found["items"], *({"at": "total", **total} for total in found["totals"])]
        output.print_data(output.table(list(_flat(rows)), ("at", "key", *_COUNTS, *_TIMES)))


def _flat(rows: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for row in rows:
        times = {name: _words(row[name.split("_")[0]][name.split("_")[1]]) for name in _TIMES}
        yield {"at": row["at"], "key": row["key"], **row["counts"], **times}


def _words(seconds: float | None) -> str | None:
    return None if seconds is None else short_duration(timedelta(seconds=seconds))
