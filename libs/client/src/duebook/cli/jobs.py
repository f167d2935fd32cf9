"""`duebook job`."""

from typing import Annotated, Any
from urllib.parse import unquote

import typer

from duebook.cli import ledger, output, parsing, why
from duebook.cli.apply import apply
from duebook.cli.job_edit import edit
from duebook.cli.job_fields import JobFields, OverlapOption
from duebook.cli.names import Job, job_id, job_path
from duebook.cli.options import (
    AsOf,
    Filter,
    IdempotencyKey,
    Limit,
    Output,
    Payload,
    Reason,
    Text,
    ToTheEnd,
    Wait,
    connect,
    is_id,
    joined,
    parse_option,
    payload_field,
    resource_path,
    spread,
    timestamp,
    waiting,
    without_none,
)
from duebook.cli.output import Format
from duebook.cli.values import JobSort, JobStatus, LedgerStep

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Create, inspect and control jobs.")
app.command("apply")(apply)  # the same as `duebook apply`

_COLUMNS = ("id", "key", "name", "status", "task", "queue", "recurrence", "next_due_at")
_RUN_COLUMNS = ("id", "status", "nominal_at", "job_version", "task", "queue")


@app.command("create")
@spread
def create_job(
    fields: JobFields,
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", "-f", help="A file with the job as JSON or YAML (- is stdin); options override its fields."
        ),
    ] = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be made.")] = False,
    fmt: Output = Format.TABLE,
) -> None:
    """Create a job and print it. With --wait also its run: that of a job that is due once."""
    body = _object(file) | without_none(name=name) | fields.body()
    if "name" not in body:
        raise typer.BadParameter("a job needs a name", param_hint="NAME")
    with connect() as api:
        if dry_run:
            _print_plan(api.post("/api/job?dry_run=true", body), fmt)
        else:
            query, held = waiting(wait)
            _print_job(api.post(f"/api/job{query}", body, idempotency_key=idempotency_key, held=held), fmt)


@app.command("update")
@spread
def update_job(
    job: Job,
    fields: JobFields,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--file",
            "-f",
            help="A file with the fields to change, as JSON or YAML (- is stdin); null resets a field to its default. "
            "Options override its fields.",
        ),
    ] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Change some fields of a job and print it. What is not named stays as it is."""
    patch = _object(file) | without_none(name=name) | fields.body()
    if not patch:
        raise typer.BadParameter("name a field to change: give an option, or --file", param_hint="JOB")
    with connect() as api:
        _print_job(api.patch(job_path(api, job), patch), fmt)


@app.command("edit")
def edit_job(job: Job, fmt: Output = Format.TABLE) -> None:
    """Change a job as YAML in an editor, that of VISUAL or EDITOR, and print it.

    A text that is refused stays in a file.
    """
    with connect() as api:
        _print_job(edit(api, job), fmt)


def _object(file: str | None) -> dict[str, Any]:
    body = parse_option("--file", parsing.document, file)
    if file is not None and not isinstance(body, dict):
        raise typer.BadParameter("the file must hold one object, the fields of one job", param_hint="--file")
    return body or {}


def _print_plan(plan: dict[str, Any], fmt: Format) -> None:
    """What a dry run says: the next times, then the job with every default."""
    for warning in plan["warnings"]:
        output.print_message(warning)
    if fmt is Format.JSON:
        output.print_json(plan)
    else:
        output.print_item({"times": "\n".join(plan["times"]), **plan["job"]}, fmt)
    output.print_message("nothing was created")


def _print_job(job: dict[str, Any], fmt: Format) -> None:
    for warning in job.get("warnings", []):
        output.print_message(warning)
    output.print_item(job, fmt)


@app.command("list")
def list_jobs(
    status: Annotated[
        list[JobStatus] | None, typer.Option(help="Only with this status; may be repeated. Default: all but deleted.")
    ] = None,
    name: Filter = None,
    task: Filter = None,
    queue: Filter = None,
    tag: Filter = None,
    key: Annotated[list[str] | None, typer.Option(help="Only with this key; may be repeated.")] = None,
    text: Text = None,
    sort: Annotated[JobSort, typer.Option(help="The order; with - downwards.")] = JobSort.NEWEST,
    limit: Limit = 50,
    to_the_end: ToTheEnd = False,
    fmt: Output = Format.TABLE,
) -> None:
    """List jobs, newest first unless --sort names another order."""
    filters = {"name": name, "task": task, "queue": queue, "tag": tag, "q": text}
    filters |= {"status": joined(status), "key": joined(key)}
    with connect() as api:
        pages = api.pages("/api/job", limit + 1, **filters, sort=sort)
        output.print_list(output.take_matching(pages, limit, to_the_end=to_the_end), _COLUMNS, fmt)


@app.command("show")
def show_job(job: Job, as_of: AsOf = None, fmt: Output = Format.TABLE) -> None:
    """Show a job with all its fields, including defaults."""
    time = parse_option("--as-of", timestamp, as_of)
    with connect() as api:
        output.print_item(api.get(job_path(api, job), as_of=time), fmt)


@app.command("why")
def why_job(
    job: Job,
    at: Annotated[str | None, typer.Option(help="Explain this time: one with an offset, or e.g. '1h ago'.")] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Explain why a job did or did not run. Without --at: what it is waiting for now."""
    time = parse_option("--at", timestamp, at)
    with connect() as api:
        why.print_why(api.get(job_path(api, job, "why"), at=time), fmt)


@app.command("pause")
def pause_job(
    job: Job,
    reason: Reason = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Also hold its runs: none starts an attempt until the resume.")
    ] = False,
    fmt: Output = Format.TABLE,
) -> None:
    """Pause a job: its occurrences are skipped until it is resumed. Runs under way go on, unless --hold."""
    body = without_none(reason=reason, hold=hold or None)
    with connect() as api:
        output.print_item(api.post(job_path(api, job, "pause"), body), fmt)


@app.command("resume")
def resume_job(job: Job, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Resume a job with its next occurrence, and its held runs. Occurrences during the pause stay skipped."""
    with connect() as api:
        output.print_item(api.post(job_path(api, job, "resume"), without_none(reason=reason)), fmt)


@app.command("trigger")
def trigger_job(
    job: Job,
    payload: Payload = None,
    overlap: OverlapOption = None,
    idempotency_key: IdempotencyKey = None,
    wait: Wait = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Run a job now, even if it is paused, and print the run. Default overlap: allow_all.

    If the job's runs are held, it waits for the resume.
    """
    body, (query, held) = payload_field(payload) | without_none(overlap=overlap), waiting(wait)
    with connect() as api:
        path = job_path(api, job, "trigger") + query
        output.print_item(api.post(path, body, idempotency_key=idempotency_key, held=held), fmt)


@app.command("ledger")
def show_ledger(
    job: Job,
    start: Annotated[str | None, typer.Option("--from", help="Start of the range. Default: the first time.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of the range, exclusive. Default: now.")] = None,
    by: Annotated[LedgerStep | None, typer.Option(help="Count the outcomes by day or month instead.")] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Show the outcome of every nominal time. The last line counts the unaccounted ones."""
    span = {"from": parse_option("--from", timestamp, start), "to": parse_option("--to", timestamp, end)}
    with connect() as api:
        if by is not None:
            ledger.print_summary(api.get(job_path(api, job, "ledger", "summary"), **span, step=by), fmt)
            return
        ledger.print_ledger(api, job_path(api, job, "ledger"), span, fmt)


@app.command("backfill")
def backfill_job(
    job: Job,
    start: Annotated[
        str | None, typer.Option("--from", help="Start of the range. Default: the job's creation.", show_default=False)
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", help="End of the range, exclusive; not in the future. Default: now.", show_default=False),
    ] = None,
    overlap: OverlapOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the times that would be run.")] = False,
    fmt: Output = Format.TABLE,
) -> None:
    """Run past nominal times that did not run. Each run has the job's definition at its time.

    Default overlap: buffer_all, one after the other.
    """
    until = parse_option("--to", timestamp, end or "0s ago")
    body = without_none(overlap=overlap, to=until)
    body["from"] = parse_option("--from", timestamp, start)
    with connect() as api:
        path = job_path(api, job)
        body["from"] = body["from"] or api.get(path)["created_at"]
        answer = api.post(f"{path}/backfill", body | ({"dry_run": True} if dry_run else {}))
    if dry_run:
        output.print_list([{"nominal_at": time} for time in answer["times"]], ("nominal_at",), fmt)
        output.print_message(f"{answer['count']} runs would be made; {answer['already_backfilled']} are already")
    else:
        output.print_list(answer["items"], _RUN_COLUMNS, fmt)
        if not answer["items"]:
            output.print_message("no run was made: nothing in this range is left to backfill")


@app.command("delete")
def delete_job(job: Job, fmt: Output = Format.TABLE) -> None:
    """Delete a job. Its history stays readable."""
    with connect() as api:
        id_ = job_id(api, job)
        api.delete(resource_path("job", id_))
    deleted = unquote(id_)
    if fmt is Format.JSON:
        output.print_json({"id" if is_id(deleted) else "job": deleted, "status": "deleted"})
    output.print_message(f"deleted job {deleted}")


@app.command("erase")
def erase_job(job: Job, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Erase what a deleted job and its runs held, for ever. What happened when stays in their history."""
    with connect() as api:
        _print_job(api.post(job_path(api, job, "erase"), without_none(reason=reason)), fmt)
