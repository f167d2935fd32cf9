"""`duebook run`."""

from typing import Annotated

import typer

from duebook.cli import logs, output, watch, why
from duebook.cli.names import OfJob, filter_id
from duebook.cli.options import (
    Filter,
    Limit,
    Output,
    Reason,
    connect,
    parse_option,
    resource_path,
    without_none,
)
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.cli.values import RunStatus

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Inspect, watch and cancel runs, and read their logs."
)

_COLUMNS = ("id", "job_name", "status", "trigger", "attempt", "due_at", "finished_at", "error")

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", show_default=False)]


@app.command("list")
def list_runs(
    status: Annotated[RunStatus | None, typer.Option(help="Only with this status.")] = None,
    job: OfJob = None,
    task: Filter = None,
    queue: Filter = None,
    limit: Limit = 50,
    fmt: Output = Format.TABLE,
) -> None:
    """List runs, newest first."""
    with connect() as api:
        of_job = filter_id(api, job)
        runs = api.items("/api/run", limit + 1, status=status, job_id=of_job, task=task, queue=queue)
        output.print_list(output.take(runs, limit), _COLUMNS, fmt)


@app.command("show")
def show_run(run_id: RunId, fmt: Output = Format.TABLE) -> None:
    """Show a run with its status and outcome."""
    with connect() as api:
        output.print_item(api.get(resource_path("run", run_id)), fmt)


@app.command("why")
def why_run(run_id: RunId, fmt: Output = Format.TABLE) -> None:
    """Explain why a run ran, did not run, or is waiting."""
    with connect() as api:
        why.print_why(api.get(resource_path("run", run_id, "why")), fmt)


@app.command("logs")
def show_logs(
    run_id: RunId,
    follow: Annotated[bool, typer.Option("--follow", help="Print new entries until the run has ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The maximum number of entries: the newest.")] = 1000,
    interval: Annotated[str, typer.Option(help="The time between two polls, e.g. 1s.")] = "1s",
    fmt: Output = Format.TABLE,
) -> None:
    """Print what happened to a run's attempts and what its task has logged, oldest first."""
    seconds = parse_option("--interval", duration, interval)
    assert seconds is not None
    run = resource_path("run", run_id)
    with connect() as api:
        if follow:
            logs.follow(api, run, run_id, seconds, fmt)
        else:
            api.get(run)  # an unknown run is an error, not an empty log
            logs.print_newest(api, run_id, limit, fmt)


@app.command("cancel")
def cancel_run(run_id: RunId, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Cancel a run. A running attempt is asked to stop."""
    with connect() as api:
        output.print_item(api.post(resource_path("run", run_id, "cancel"), without_none(reason=reason)), fmt)


@app.command("watch")
def watch_run(
    run_id: RunId,
    interval: Annotated[str, typer.Option(help="The time between two polls, e.g. 1s.")] = "1s",
    fmt: Output = Format.TABLE,
) -> None:
    """Print each event of a run until it ends. Exits with 1 unless it succeeds."""
    seconds = parse_option("--interval", duration, interval)
    assert seconds is not None
    with connect() as api:
        status = watch.watch_run(api, resource_path("run", run_id), seconds, fmt)
    output.print_message(f"run {run_id}: {status}")
    raise typer.Exit(0 if status == "succeeded" else 1)
