"""`duebook schedule`."""

from typing import Annotated

import typer

from duebook import output, parsing
from duebook.commands.options import Output, connect, given, moment, parsed
from duebook.output import Format

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at schedules by themselves.")


@app.callback()
def schedules() -> None:
    """Schedules are read here and changed with `duebook job`."""


@app.command("preview")
def preview(
    recurrence: Annotated[
        str,
        typer.Argument(
            metavar="RECURRENCE", help="none, daily, weekly, 'every 15m', 'cron 0 2 * * *', 'rrule FREQ=…'."
        ),
    ],
    at: Annotated[str | None, typer.Option(help="When it begins: a time with its offset; default now.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Whose wall clock it keeps, e.g. Europe/Berlin.")] = None,
    gap: Annotated[str | None, typer.Option(help="Of a time that the clocks jump over: run_after or skip.")] = None,
    fold: Annotated[str | None, typer.Option(help="Of a time that comes twice: first, second or both.")] = None,
    ends_at: Annotated[str | None, typer.Option(help="The last instant at which it may still be due.")] = None,
    after: Annotated[str | None, typer.Option(help="Times later than this; default now.")] = None,
    count: Annotated[int, typer.Option(help="How many, 1 to 1000.")] = 10,
    form: Output = Format.TABLE,
) -> None:
    """Print the next times of a schedule, with notes on changes of the clocks."""
    body = given(
        recurrence=parsed("RECURRENCE", parsing.recurrence, recurrence),
        scheduled_at=parsed("--at", moment, at),
        timezone=timezone,
        dst=given(gap=gap, fold=fold) or None,
        ends_at=parsed("--ends-at", moment, ends_at),
        after=parsed("--after", moment, after),
        count=count,
    )
    with connect() as api:
        told = api.post("/api/schedule/preview", body)
    if form is Format.JSON:
        output.show_json(told)
        return
    output.say(told["description"])
    for note in told["notes"]:
        output.say(note)
    output.show_list([{"nominal_at": time} for time in told["times"]], ("nominal_at",), form)
