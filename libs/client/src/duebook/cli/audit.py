"""`duebook audit`: who did what."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.names import OfJob, filter_id
from duebook.cli.options import Limit, Output, connect, parse_option, timestamp
from duebook.cli.output import Format

_COLUMNS = ("at", "who", "type", "stream", "reason")


def audit(
    actor: Annotated[str | None, typer.Option(help="Only what this actor did, e.g. key:1f2e3d4c5b6a7988.")] = None,
    event: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type; may be repeated.")
    ] = None,
    job: OfJob = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Only what was done then or later, e.g. '7d ago' or a time.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only what was done before then.")] = None,
    limit: Limit = 50,
    fmt: Output = Format.TABLE,
) -> None:
    """Show what people and programs did and why, newest first. The key needs the scope `keys`."""
    since, until = parse_option("--from", timestamp, start), parse_option("--to", timestamp, end)
    with connect() as api:
        of_job = filter_id(api, job)
        types = ",".join(event) if event else None
        acts = api.items("/api/audit", limit + 1, actor=actor, type=types, job_id=of_job, to=until, **{"from": since})
        found = output.take(acts, limit)
    output.print_list(list(_rows(found)) if fmt is Format.TABLE else found, _COLUMNS, fmt)


def _rows(acts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for act in acts:
        name = act["key_name"]
        yield act | {"who": f"{name} ({act['actor']})" if name else act["actor"]}
