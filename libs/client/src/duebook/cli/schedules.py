"""`duebook schedule`."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from duebook.cli import output, parsing
from duebook.cli.options import Output, connect, given, moment, parsed
from duebook.cli.output import Format

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


@app.command("forecast")
def forecast(
    since: Annotated[str, typer.Option("--from", help="When the window begins: a time with its offset, or 'in 0s'.")],
    to: Annotated[str, typer.Option(help="When it ends; 400 days later at most.")],
    task: Annotated[str | None, typer.Option(help="Of jobs with this task only.")] = None,
    queue: Annotated[str | None, typer.Option(help="Of this queue only.")] = None,
    tag: Annotated[str | None, typer.Option(help="Of jobs with this tag only.")] = None,
    changes: Annotated[
        str | None, typer.Option("--changes", "-f", help="A file with a JSON array of changes (- is stdin).")
    ] = None,
    form: Output = Format.TABLE,
) -> None:
    """Print how many runs each hour will have, as the jobs are or as changes would have them."""
    body = given(
        to=parsed("--to", moment, to),
        filter=given(task=task, queue=queue, tag=tag),
        changes=parsed("--changes", parsing.json_file, changes),
    )
    body["from"] = parsed("--from", moment, since)
    with connect() as api:
        told = api.post("/api/schedule/forecast", body)
    if form is Format.JSON:
        output.show_json(told)
        return
    output.show_list(told["hours"], ("at", "runs"), form)
    for line in _summary(told):
        output.say(line)


def _summary(told: dict[str, Any]) -> Iterator[str]:
    yield f"runs in all: {told['runs']}, of jobs: {told['jobs']}"
    for queue in told["queues"]:
        mean, p95 = queue["peak"]["mean"], queue["peak"]["p95"]
        yield f"runs at once in the queue {queue['queue']}: {mean['runs']}, where attempts take long {p95['runs']}"
    for name in ("added", "removed"):
        if name in told:
            yield f"times {name}: {told[name]['count']}"
    for change in told["clock_changes"]:
        yield f"{change['says']}; jobs with times in between: {change['jobs_hit']}"
