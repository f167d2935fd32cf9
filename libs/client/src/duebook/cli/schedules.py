"""`duebook schedule`."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from duebook.cli import output, parsing
from duebook.cli.options import Output, connect, parse_option, timestamp, without_none
from duebook.cli.output import Format

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Preview schedules and forecast runs.")


@app.command("preview")
def preview_schedule(
    recurrence: Annotated[
        str,
        typer.Argument(
            metavar="RECURRENCE", help="none, daily, weekly, 'every 15m', 'cron 0 2 * * *' or 'rrule FREQ=…'."
        ),
    ],
    at: Annotated[str | None, typer.Option(help="Start of the schedule: a time with an offset. Default: now.")] = None,
    timezone: Annotated[str | None, typer.Option(help="The time zone, e.g. Europe/Berlin. Default: UTC.")] = None,
    gap: Annotated[
        str | None, typer.Option(help="For times that the clocks skip in spring: run_after or skip.")
    ] = None,
    fold: Annotated[
        str | None, typer.Option(help="For times that occur twice in autumn: first, second or both.")
    ] = None,
    ends_at: Annotated[str | None, typer.Option(help="The last time at which it may be due.")] = None,
    after: Annotated[str | None, typer.Option(help="Only times after this one. Default: now.")] = None,
    count: Annotated[int, typer.Option(help="The number of times, 1 to 1000.")] = 10,
    fmt: Output = Format.TABLE,
) -> None:
    """Print the next times of a schedule, with notes on DST changes."""
    body = without_none(
        recurrence=parse_option("RECURRENCE", parsing.recurrence, recurrence),
        scheduled_at=parse_option("--at", timestamp, at),
        timezone=timezone,
        dst=without_none(gap=gap, fold=fold) or None,
        ends_at=parse_option("--ends-at", timestamp, ends_at),
        after=parse_option("--after", timestamp, after),
        count=count,
    )
    with connect() as api:
        preview = api.post("/api/schedule/preview", body)
    if fmt is Format.JSON:
        output.print_json(preview)
        return
    output.print_message(preview["description"])
    for note in preview["notes"]:
        output.print_message(note)
    output.print_list([{"nominal_at": time} for time in preview["times"]], ("nominal_at",), fmt)


@app.command("forecast")
def forecast_runs(
    start: Annotated[str, typer.Option("--from", help="Start of the window: a time with an offset, or 'in 0s'.")],
    end: Annotated[str, typer.Option("--to", help="End of the window, at most 400 days after its start.")],
    task: Annotated[str | None, typer.Option(help="Only jobs with this task.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only jobs in this queue.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only jobs with this tag.")] = None,
    changes: Annotated[
        str | None, typer.Option("--changes", "-f", help="A file with the changes as a JSON array (- is stdin).")
    ] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Print the number of runs per hour. With --changes: as if the jobs had been changed."""
    body = without_none(
        to=parse_option("--to", timestamp, end),
        filter=without_none(task=task, queue=queue, tag=tag),
        changes=parse_option("--changes", parsing.json_file, changes),
    )
    body["from"] = parse_option("--from", timestamp, start)
    with connect() as api:
        forecast = api.post("/api/schedule/forecast", body)
    if fmt is Format.JSON:
        output.print_json(forecast)
        return
    output.print_list(forecast["hours"], ("at", "runs"), fmt)
    for line in _summary(forecast):
        output.print_message(line)


def _summary(forecast: dict[str, Any]) -> Iterator[str]:
    yield f"total: {forecast['runs']} runs of {forecast['jobs']} jobs"
    for queue in forecast["queues"]:
        mean, p95 = queue["peak"]["mean"], queue["peak"]["p95"]
        yield f"peak concurrency in queue {queue['queue']}: {mean['runs']}, with slow attempts (p95) {p95['runs']}"
    for name in ("added", "removed"):
        if name in forecast:
            yield f"times {name}: {forecast[name]['count']}"
    for change in forecast["clock_changes"]:
        yield f"{change['says']}; jobs affected: {change['jobs_hit']}"
