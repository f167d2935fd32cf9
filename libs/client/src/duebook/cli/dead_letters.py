"""`duebook dead-letter`."""

from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.options import (
    Limit,
    Output,
    Payload,
    RequiredReason,
    connect,
    payload_field,
    resource_path,
    without_none,
)
from duebook.cli.output import Format

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Inspect, redrive and discard dead letters.")

_COLUMNS = ("id", "job_name", "task", "queue", "attempts", "age", "fingerprint", "error")
_GROUP_COLUMNS = ("fingerprint", "count", "task", "oldest", "newest", "error")

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", show_default=False)]
Job = Annotated[str | None, typer.Option(metavar="JOB_ID", help="Only of this job.")]
Task = Annotated[str | None, typer.Option(help="Only of this task.")]
Queue = Annotated[str | None, typer.Option(help="Only of this queue.")]
Fingerprint = Annotated[str | None, typer.Option(help="Only with this error fingerprint; `groups` lists them.")]


@app.command("list")
def list_dead_letters(
    job: Job = None,
    task: Task = None,
    queue: Queue = None,
    fingerprint: Fingerprint = None,
    limit: Limit = 50,
    fmt: Output = Format.TABLE,
) -> None:
    """List dead letters, newest first."""
    filters = without_none(job_id=job, task=task, queue=queue, fingerprint=fingerprint)
    with connect() as api:
        dead_letters = api.items("/api/dead-letter", limit + 1, **filters)
        output.print_list(output.take(dead_letters, limit), _COLUMNS, fmt)


@app.command("show")
def show_dead_letter(run_id: RunId, fmt: Output = Format.TABLE) -> None:
    """Show a dead letter with its error, payload and lineage."""
    with connect() as api:
        output.print_item(api.get(resource_path("dead-letter", run_id)), fmt)


@app.command("groups")
def list_groups(
    job: Job = None,
    task: Task = None,
    queue: Queue = None,
    fingerprint: Fingerprint = None,
    limit: Limit = 50,
    fmt: Output = Format.TABLE,
) -> None:
    """Count dead letters by error fingerprint, the most frequent first."""
    filters = without_none(job_id=job, task=task, queue=queue, fingerprint=fingerprint)
    with connect() as api:
        groups = api.items("/api/dead-letter/groups", limit + 1, **filters)
        output.print_list(output.take(groups, limit), _GROUP_COLUMNS, fmt)


@app.command("redrive")
def redrive(
    reason: RequiredReason,
    run_id: Annotated[str | None, typer.Argument(metavar="RUN_ID", show_default=False)] = None,
    payload: Payload = None,
    all_: Annotated[bool, typer.Option("--all", help="Redrive all dead letters that match the filters.")] = False,
    job: Job = None,
    task: Task = None,
    queue: Queue = None,
    fingerprint: Fingerprint = None,
    rate: Annotated[float | None, typer.Option(help="The maximum number of runs per second.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the matching dead letters.")] = False,
    fmt: Output = Format.TABLE,
) -> None:
    """Redrive a dead letter: its run gets new attempts. With --all or a filter, redrive many."""
    filters = without_none(job_id=job, task=task, queue=queue, fingerprint=fingerprint)
    many = all_ or bool(filters)
    if (run_id is None) != many:
        raise typer.BadParameter("give either one run id, or --all or a filter", param_hint="RUN_ID")
    if run_id is None:
        _redrive_many(without_none(filter=filters, reason=reason, rate=rate, dry_run=dry_run), payload, fmt)
        return
    if rate is not None or dry_run:
        raise typer.BadParameter("--rate and --dry-run require --all or a filter", param_hint="RUN_ID")
    with connect() as api:
        body = {"reason": reason} | payload_field(payload)
        output.print_item(api.post(resource_path("dead-letter", run_id, "redrive"), body), fmt)


def _redrive_many(body: dict[str, Any], payload: str | None, fmt: Format) -> None:
    if payload is not None:
        raise typer.BadParameter("this requires one run id", param_hint="--payload")
    with connect() as api:
        output.print_item(api.post("/api/dead-letter/redrive", body), fmt)


@app.command("discard")
def discard(run_id: RunId, reason: RequiredReason, fmt: Output = Format.TABLE) -> None:
    """Discard a dead letter: its run gets no further attempts."""
    with connect() as api:
        output.print_item(api.post(resource_path("dead-letter", run_id, "discard"), {"reason": reason}), fmt)
