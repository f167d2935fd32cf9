"""`duebook dead-letter`."""

from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.jobs import Payload, payload_field
from duebook.cli.options import Limit, MustReason, Output, connect, given, path
from duebook.cli.output import Format

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at what was given up, and send it again.")

_COLUMNS = ("id", "job_name", "task", "queue", "attempts", "age", "fingerprint", "error")
_GROUP_COLUMNS = ("fingerprint", "count", "task", "oldest", "newest", "error")

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", show_default=False)]
Job = Annotated[str | None, typer.Option(metavar="JOB_ID", help="Of this job only.")]
Task = Annotated[str | None, typer.Option(help="Of this task only.")]
Queue = Annotated[str | None, typer.Option(help="Of this queue only.")]
Fingerprint = Annotated[str | None, typer.Option(help="With this kind of error only: see `groups`.")]


@app.command("list")
def list_dead_letters(
    job: Job = None,
    task: Task = None,
    queue: Queue = None,
    fingerprint: Fingerprint = None,
    limit: Limit = 50,
    form: Output = Format.TABLE,
) -> None:
    """List dead letters, newest first."""
    filters = given(job_id=job, task=task, queue=queue, fingerprint=fingerprint)
    with connect() as api:
        found = api.items("/api/dead-letter", limit + 1, **filters)
        output.show_list(output.first(found, limit), _COLUMNS, form)


@app.command("show")
def show_dead_letter(run_id: RunId, form: Output = Format.TABLE) -> None:
    """Show a dead letter with its error, payload and past."""
    with connect() as api:
        output.show_item(api.get(path("dead-letter", run_id)), form)


@app.command("groups")
def list_groups(
    job: Job = None,
    task: Task = None,
    queue: Queue = None,
    fingerprint: Fingerprint = None,
    limit: Limit = 50,
    form: Output = Format.TABLE,
) -> None:
    """Count dead letters by their error, the most frequent first."""
    filters = given(job_id=job, task=task, queue=queue, fingerprint=fingerprint)
    with connect() as api:
        found = api.items("/api/dead-letter/groups", limit + 1, **filters)
        output.show_list(output.first(found, limit), _GROUP_COLUMNS, form)


@app.command("redrive")
def redrive(
    reason: MustReason,
    run_id: Annotated[str | None, typer.Argument(metavar="RUN_ID", show_default=False)] = None,
    payload: Payload = None,
    every: Annotated[bool, typer.Option("--all", help="All there are, unless a filter says otherwise.")] = False,
    job: Job = None,
    task: Task = None,
    queue: Queue = None,
    fingerprint: Fingerprint = None,
    rate: Annotated[float | None, typer.Option(help="That many a second.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    form: Output = Format.TABLE,
) -> None:
    """Send one dead letter again, or with --all or a filter, many."""
    filters = given(job_id=job, task=task, queue=queue, fingerprint=fingerprint)
    many = every or bool(filters)
    if (run_id is None) != many:
        raise typer.BadParameter("name one run, or many by a filter or --all", param_hint="RUN_ID")
    if run_id is None:
        _redrive_many(given(filter=filters, reason=reason, rate=rate, dry_run=dry_run), payload, form)
        return
    if rate is not None or dry_run:
        raise typer.BadParameter("--rate and --dry-run are for many", param_hint="RUN_ID")
    with connect() as api:
        body = {"reason": reason} | payload_field(payload)
        output.show_item(api.post(path("dead-letter", run_id, "redrive"), body), form)


def _redrive_many(body: dict[str, Any], payload: str | None, form: Format) -> None:
    if payload is not None:
        raise typer.BadParameter("a new payload is for one run", param_hint="--payload")
    with connect() as api:
        output.show_item(api.post("/api/dead-letter/redrive", body), form)


@app.command("discard")
def discard(run_id: RunId, reason: MustReason, form: Output = Format.TABLE) -> None:
    """Let a dead letter rest for good."""
    with connect() as api:
        output.show_item(api.post(path("dead-letter", run_id, "discard"), {"reason": reason}), form)
