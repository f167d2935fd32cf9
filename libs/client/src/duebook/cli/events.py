"""`duebook events`: following the log."""

import time
from datetime import timedelta
from typing import Annotated

import typer

from duebook.cli import output, watch
from duebook.cli.options import Output, connect, parsed
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.client import ApiError, Client, Unreachable

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Follow the log of everything that happens.")

_PAGE = 200


@app.command("tail")
def tail_events(
    after: Annotated[
        str | None, typer.Option(metavar="POSITION", help="Begin after this event, as its `position` names it.")
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the first event.")] = False,
    interval: Annotated[str, typer.Option(help="How often to look: 1s.")] = "1s",
    form: Output = Format.TABLE,
) -> None:
    """Print events as they come, a line for each, from now on, until Ctrl-C; none is left out, none comes twice."""
    if after is not None and from_start:
        raise typer.BadParameter("this and --after exclude each other", param_hint="--from-start")
    every = parsed("--interval", duration, interval)
    assert every is not None
    with connect() as api:
        _follow(api, after or (None if from_start else "latest"), every, form)


def _follow(api: Client, after: str | None, every: timedelta, form: Format) -> None:
    begun = lost = False
    while True:
        try:
            page = api.get("/api/events", after=after, limit=_PAGE)
        except (Unreachable, ApiError) as error:
            if not begun or not watch.passing(error):
                raise
            if not lost:
                output.say(f"{error}; still trying")
            lost = True
            time.sleep(every.total_seconds())
            continue
        begun, lost = True, False
        for event in page["items"]:
            watch.show(event, form, f"{event['stream']}  ")
        after = page["position"]
        if page["next_cursor"] is None:
            time.sleep(every.total_seconds())
