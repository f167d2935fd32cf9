"""`duebook run`."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from duebook.cli import logs, output, watch, why
from duebook.cli.names import OfJob, filter_id
from duebook.cli.options import (
    AsOf,
    Filter,
    IdempotencyKey,
    Limit,
    Output,
    Reason,
    Text,
    ToTheEnd,
    Wait,
    connect,
    joined,
    parse_option,
    resource_path,
    spread,
    times_of,
    timestamp,
    waiting,
    without_none,
)
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.cli.values import Level, RunSort, RunStatus, Trigger
from duebook.client import Client

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Inspect, watch, cancel, repeat and erase runs, and read their logs.",
)

_COLUMNS = ("id", "job_name", "status", "trigger", "attempt", "due_at", "finished_at", "error")

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", show_default=False)]


@dataclass(frozen=True)
class Filters:
    """Which runs a list shows."""

    status: Annotated[list[RunStatus] | None, typer.Option(help="Only with this status; may be repeated.")] = None
    job: OfJob = None
    task: Filter = None
    queue: Filter = None
    trigger: Annotated[Trigger | None, typer.Option(help="Only those that this has made.")] = None
    cause: Annotated[str | None, typer.Option(metavar="RUN_ID", help="Only those that repeat this run.")] = None
    bulk: Annotated[str | None, typer.Option(metavar="BULK_ID", help="Only those on which it acted.")] = None
    executor: Annotated[str | None, typer.Option(help="Only those whose last attempt it started.")] = None
    tag: Annotated[str | None, typer.Option(help="Only those of jobs that have this tag.")] = None
    text: Text = None
    due_from: Annotated[str | None, typer.Option(help="Due at this time or later, e.g. '1h ago'.")] = None
    due_to: Annotated[str | None, typer.Option(help="Due before this time.")] = None
    finished_from: Annotated[str | None, typer.Option(help="Ended at this time or later.")] = None
    finished_to: Annotated[str | None, typer.Option(help="Ended before this time.")] = None

    def fields(self, api: Client) -> dict[str, Any]:
        times = times_of(self, "due_from", "due_to", "finished_from", "finished_to")
        same = {name: getattr(self, name) for name in ("task", "queue", "trigger", "cause", "bulk", "executor", "tag")}
        return times | same | {"status": joined(self.status), "q": self.text, "job_id": filter_id(api, self.job)}


@app.command("list")
@spread
def list_runs(
    filters: Filters,
    sort: Annotated[
        RunSort | None, typer.Option(help="The order; with - downwards. Default: newest first, or by a range of times.")
    ] = None,
    limit: Limit = 50,
    to_the_end: ToTheEnd = False,
    fmt: Output = Format.TABLE,
) -> None:
    """List runs, newest first unless --sort or a range of times orders them."""
    with connect() as api:
        runs = api.pages("/api/run", limit + 1, **filters.fields(api), sort=sort)
        output.print_list(output.take_matching(runs, limit, to_the_end=to_the_end), _COLUMNS, fmt)


@app.command("show")
def show_run(run_id: RunId, wait: Wait = None, as_of: AsOf = None, fmt: Output = Format.TABLE) -> None:
    """Show a run with its status and outcome."""
    time = parse_option("--as-of", timestamp, as_of)
    query, held = waiting(wait)
    if time is not None and wait is not None:
        raise typer.BadParameter("the past does not change; leave --wait or --as-of out")
    with connect() as api:
        if time is not None:
            output.print_item(api.get(resource_path("run", run_id), as_of=time), fmt)
            return
        output.print_item(api.get_held(resource_path("run", run_id) + query, held), fmt)


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
    level: Annotated[Level, typer.Option(help="Only log lines of this level or above.")] = Level.DEBUG,
    interval: Annotated[str, typer.Option(help="The time between two polls, e.g. 1s.")] = "1s",
    fmt: Output = Format.TABLE,
) -> None:
    """Print what happened to a run's attempts and what its task has logged, oldest first.

    With --follow it ends when the run has ended, and exits with 1 unless the run has succeeded; with -o json it then
    prints one entry on each line.
    """
    seconds = parse_option("--interval", duration, interval)
    assert seconds is not None
    run = resource_path("run", run_id)
    with connect() as api:
        if follow:
            status = logs.follow(api, run, run_id, seconds, level, fmt)
            raise typer.Exit(0 if status == "succeeded" else 1)
        api.get(run)  # an unknown run is an error, not an empty log
        logs.print_newest(api, run_id, limit, level, fmt)


@app.command("cancel")
def cancel_run(run_id: RunId, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Cancel a run. A running attempt is asked to stop."""
    with connect() as api:
        output.print_item(api.post(resource_path("run", run_id, "cancel"), without_none(reason=reason)), fmt)


@app.command("rerun")
def rerun(run_id: RunId, idempotency_key: IdempotencyKey = None, fmt: Output = Format.TABLE) -> None:
    """Start a new run with the payload of one that has ended, and print it. A dead letter is redriven instead."""
    with connect() as api:
        path = resource_path("run", run_id, "rerun")
        output.print_item(api.post(path, {}, idempotency_key=idempotency_key), fmt)


@app.command("erase")
def erase_run(run_id: RunId, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Erase what a run held, for ever: payload, result, errors, log lines. What happened when stays in its history.

    A payload that is the job's own stays until the job is erased.
    """
    with connect() as api:
        output.print_item(api.post(resource_path("run", run_id, "erase"), without_none(reason=reason)), fmt)


@app.command("watch")
def watch_run(
    run_id: RunId,
    interval: Annotated[str, typer.Option(help="The time between two polls, e.g. 1s.")] = "1s",
    fmt: Output = Format.TABLE,
) -> None:
    """Print each event of a run and the progress of its task until it ends. Exits with 1 unless it succeeds."""
    seconds = parse_option("--interval", duration, interval)
    assert seconds is not None
    with connect() as api:
        status = watch.watch_run(api, resource_path("run", run_id), seconds, fmt)
    output.print_message(f"run {run_id}: {status}")
    raise typer.Exit(0 if status == "succeeded" else 1)
