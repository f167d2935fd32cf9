"""`duebook schedule`."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from duebook.cli import output, parsing
from duebook.cli.job_fields import RecurrenceHelp
from duebook.cli.options import Output, connect, parse_option, timestamp, without_none
from duebook.cli.output import Format
from duebook.cli.values import Fold, Gap

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Preview schedules and forecast runs.")


@app.command("preview")
def preview_schedule(
    recurrence: Annotated[str, typer.Argument(metavar="RECURRENCE", help=RecurrenceHelp)],
    at: Annotated[str | None, typer.Option(help="Start of the schedule: a time with an offset. Default: now.")] = None,
    timezone: Annotated[str | None, typer.Option(help="The time zone, e.g. Europe/Berlin. Default: UTC.")] = None,
    gap: Annotated[Gap | None, typer.Option(help="For times that the clocks skip in spring.")] = None,
    fold: Annotated[Fold | None, typer.Option(help="For times that occur twice in autumn.")] = None,
    ends_at: Annotated[str | None, typer.Option(help="The last time at which it may be due.")] = None,
    after: Annotated[str | None, typer.Option(help="Only times after this one. Default: now.")] = None,
    count: Annotated[int, typer.Option(help="The number of times, 1 to 1000.")] = 10,
    fmt: Output = Format.TABLE,
) -> None:
    """Print the next times of a schedule, also on the clock of its time zone, with notes on DST changes."""
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
    if (zone := _local_zone(timezone)) is None:
        output.print_list([{"nominal_at": time} for time in preview["times"]], ("nominal_at",), fmt)
        return
    times = [(time, datetime.fromisoformat(time).astimezone(zone).isoformat()) for time in preview["times"]]
    output.print_list([{"nominal_at": time, "local": local} for time, local in times], ("nominal_at", "local"), fmt)


def _local_zone(name: str | None) -> ZoneInfo | None:
    """The zone to show times in beside UTC; None if that is UTC, or not known on this machine."""
    try:
        return None if name in {None, "UTC"} else ZoneInfo(str(name))
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


@app.command("forecast")
def forecast_runs(
    start: Annotated[
        str | None,
        typer.Option("--from", help="Start of the window: a time with an offset, or e.g. 'in 1d'. Default: now."),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", help="End of the window, at most 400 days after its start. Default: a day after it."),
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only jobs with this task.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only jobs in this queue.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only jobs with this tag.")] = None,
    changes: Annotated[
        str | None,
        typer.Option("--changes", "-f", help="A file with the changes as a JSON or YAML array (- is stdin)."),
    ] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Print the number of runs per hour. With --changes: as if the jobs had been changed."""
    body = _window(start, end) | without_none(
        filter=without_none(task=task, queue=queue, tag=tag),
        changes=parse_option("--changes", parsing.document, changes),
    )
    with connect() as api:
        forecast = api.post("/api/schedule/forecast", body)
    if fmt is Format.JSON:
        output.print_json(forecast)
        return
    output.print_list(forecast["hours"], ("at", "runs"), fmt)
    for line in _summary(forecast):
        output.print_message(line)


def _window(start: str | None, end: str | None) -> dict[str, Any]:
    """The window of a forecast: from now on, and one day long, where its ends are not given."""
    first = parse_option("--from", timestamp, start or "in 0s")
    assert first is not None
    day_later = (datetime.fromisoformat(first) + timedelta(days=1)).isoformat()
    return {"from": first, "to": parse_option("--to", timestamp, end) or day_later}


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
