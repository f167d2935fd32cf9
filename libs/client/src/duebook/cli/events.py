"""`duebook events`."""

import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Annotated

import typer

from duebook.cli import watch
from duebook.cli.names import OfJob, filter_id
from duebook.cli.options import Output, connect, parse_option
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.client import Client

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Follow the event log.")

_PAGE = 200


@app.command("tail")
def tail_events(
    after: Annotated[
        str | None, typer.Option(metavar="POSITION", help="Start after the event with this `position`.")
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Start with the first event of the log.")] = False,
    event: Annotated[
        list[str] | None, typer.Option("--type", help="Only events of this type; may be repeated.")
    ] = None,
    job: OfJob = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN_ID", help="Only of this run and of the mails about it.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this actor caused, e.g. key:1f2e3d4c5b6a7988.")] = None,
    interval: Annotated[str, typer.Option(help="The time between two polls, e.g. 1s.")] = "1s",
    fmt: Output = Format.TABLE,
) -> None:
    """Print new events, one per line, until Ctrl-C. No event that matches is left out or printed twice."""
    if after is not None and from_start:
        raise typer.BadParameter("this excludes --after", param_hint="--from-start")
    seconds = parse_option("--interval", duration, interval)
    assert seconds is not None
    with connect() as api:
        filters = {"type": ",".join(event) if event else None, "run_id": run, "actor": actor}
        filters["job_id"] = filter_id(api, job)
        _follow(api, after or (None if from_start else "latest"), seconds, fmt, filters)


def _follow(
    api: Client, after: str | None, interval: timedelta, fmt: Format, filters: Mapping[str, str | None]
) -> None:
    retrying = watch.Retrying(interval)
    while True:
        page = retrying(partial(api.get, "/api/events", after=after, limit=_PAGE, **filters))
        for event in page["items"]:
            watch.print_event(event, fmt, f"{event['stream']}  ")
        after = page["position"]
        if page["next_cursor"] is None:
            time.sleep(interval.total_seconds())
