"""`duebook job`."""

from typing import Annotated, Any

import typer

from duebook.cli import output, parsing, why
from duebook.cli.options import (
    Filter,
    IdempotencyKey,
    Limit,
    Output,
    Payload,
    Reason,
    connect,
    parse_option,
    payload_field,
    resource_path,
    timestamp,
    without_none,
)
from duebook.cli.output import Format

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Create, inspect and control jobs.")

_COLUMNS = ("id", "name", "status", "task", "queue", "recurrence", "next_due_at")
_LEDGER_COLUMNS = ("nominal_at", "outcome", "reason", "run_id")
_RUN_COLUMNS = ("id", "status", "nominal_at", "job_version", "task", "queue")

JobId = Annotated[str, typer.Argument(metavar="JOB_ID", show_default=False)]
Overlap = Annotated[
    str | None,
    typer.Option(help="The overlap policy: what to do if a run of the job is active, e.g. skip or allow_all."),
]
Task = Annotated[str | None, typer.Option(help="The task to run, e.g. log (the default) or http.request.")]
At = Annotated[str | None, typer.Option(help="When it is due: a time with an offset, or e.g. 'in 90s'. Default: now.")]
Recurrence = Annotated[
    str | None, typer.Option(help="none, daily, weekly, 'every 15m', 'cron 0 2 * * *' or 'rrule FREQ=…'.")
]
Timezone = Annotated[
    str | None, typer.Option(help="The time zone of the recurrence, e.g. Europe/Berlin. Default: UTC.")
]
EndsAt = Annotated[str | None, typer.Option(help="The last time at which it may be due.")]
Queue = Annotated[str | None, typer.Option(help="The queue whose executors run it.")]
Priority = Annotated[int | None, typer.Option(help="0 to 9; higher priorities are dispatched first.")]
MaxRetries = Annotated[int | None, typer.Option(help="The number of attempts after the first one.")]
Timeout = Annotated[str | None, typer.Option(help="The time limit of one attempt, e.g. 90s, 5m or 2h.")]
StartWithin = Annotated[str | None, typer.Option(help="Skip a run that has not started within this time, e.g. 10m.")]
NotifyTo = Annotated[
    list[str] | None, typer.Option("--notify", help="A mail address to notify of outcomes; may be repeated.")
]
Tags = Annotated[list[str] | None, typer.Option(help="A tag; may be repeated.")]
File = Annotated[
    str | None,
    typer.Option("--file", "-f", help="A file with the job as JSON (- is stdin); options override its fields."),
]


@app.command("create")
def create_job(
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    task: Task = None,
    payload: Payload = None,
    at: At = None,
    recurrence: Recurrence = None,
    timezone: Timezone = None,
    ends_at: EndsAt = None,
    queue: Queue = None,
    priority: Priority = None,
    max_retries: MaxRetries = None,
    timeout: Timeout = None,
    start_within: StartWithin = None,
    overlap: Overlap = None,
    notify: NotifyTo = None,
    tag: Tags = None,
    file: File = None,
    idempotency_key: IdempotencyKey = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Create a job and print it."""
    unparsed = without_none(
        name=name,
        task=task,
        timezone=timezone,
        queue=queue,
        priority=priority,
        max_retries=max_retries,
        overlap=overlap,
    )
    parsed = without_none(
        scheduled_at=parse_option("--at", timestamp, at),
        recurrence=parse_option("--recurrence", parsing.recurrence, recurrence),
        ends_at=parse_option("--ends-at", timestamp, ends_at),
        timeout=parse_option("--timeout", parsing.iso_duration, timeout),
        start_within=parse_option("--start-within", parsing.iso_duration, start_within),
    )
    lists = without_none(notify={"to": notify} if notify else None, tags=tag or None)
    _create(_body(file) | unparsed | parsed | lists | payload_field(payload), idempotency_key, fmt)


def _create(body: dict[str, Any], idempotency_key: str | None, fmt: Format) -> None:
    if "name" not in body:
        raise typer.BadParameter("a job needs a name", param_hint="NAME")
    with connect() as api:
        job = api.post("/api/job", body, idempotency_key=idempotency_key)
    for warning in job.get("warnings", []):
        output.print_message(warning)
    output.print_item(job, fmt)


def _body(file: str | None) -> dict[str, Any]:
    body = parse_option("--file", parsing.json_file, file)
    if file is not None and not isinstance(body, dict):
        raise typer.BadParameter("the file must hold one JSON object", param_hint="--file")
    return body or {}


@app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="Only active, paused, finished or deleted jobs.")] = None,
    name: Filter = None,
    task: Filter = None,
    queue: Filter = None,
    tag: Filter = None,
    limit: Limit = 50,
    fmt: Output = Format.TABLE,
) -> None:
    """List jobs, newest first."""
    with connect() as api:
        jobs = api.items("/api/job", limit + 1, status=status, name=name, task=task, queue=queue, tag=tag)
        output.print_list(output.take(jobs, limit), _COLUMNS, fmt)


@app.command("show")
def show_job(job_id: JobId, fmt: Output = Format.TABLE) -> None:
    """Show a job with all its fields, including defaults."""
    with connect() as api:
        output.print_item(api.get(resource_path("job", job_id)), fmt)


@app.command("why")
def why_job(
    job_id: JobId,
    at: Annotated[str | None, typer.Option(help="Explain this time: one with an offset, or e.g. 'in 90s'.")] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Explain why a job did or did not run. Without --at: what it is waiting for now."""
    with connect() as api:
        why.print_why(api.get(resource_path("job", job_id, "why"), at=parse_option("--at", timestamp, at)), fmt)


@app.command("pause")
def pause_job(job_id: JobId, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Pause a job: its occurrences are skipped until it is resumed."""
    with connect() as api:
        output.print_item(api.post(resource_path("job", job_id, "pause"), without_none(reason=reason)), fmt)


@app.command("resume")
def resume_job(job_id: JobId, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Resume a job with its next occurrence. Occurrences during the pause stay skipped."""
    with connect() as api:
        output.print_item(api.post(resource_path("job", job_id, "resume"), without_none(reason=reason)), fmt)


@app.command("trigger")
def trigger_job(
    job_id: JobId,
    payload: Payload = None,
    overlap: Overlap = None,
    idempotency_key: IdempotencyKey = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Run a job now, even if it is paused, and print the run."""
    body = payload_field(payload) | without_none(overlap=overlap)
    with connect() as api:
        run = api.post(resource_path("job", job_id, "trigger"), body, idempotency_key=idempotency_key)
        output.print_item(run, fmt)


@app.command("ledger")
def show_ledger(
    job_id: JobId,
    start: Annotated[str | None, typer.Option("--from", help="Start of the range. Default: the first time.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of the range, exclusive. Default: now.")] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Show the outcome of every nominal time. The last line counts the unaccounted ones."""
    with connect() as api:
        pages = list(api.pages(resource_path("job", job_id, "ledger"), **_time_range(start, end)))
    ledger = pages[-1] | {"items": [entry for page in pages for entry in page["items"]]}
    del ledger["next_cursor"]
    if fmt is Format.JSON:
        output.print_json(ledger)
    else:
        output.print_list(ledger["items"], _LEDGER_COLUMNS, fmt)
    counts = (f"{ledger[name]} {name}" for name in ("expected", "recorded", "due", "unaccounted"))
    output.print_message(", ".join(counts))


def _time_range(start: str | None, end: str | None) -> dict[str, Any]:
    return {"from": parse_option("--from", timestamp, start), "to": parse_option("--to", timestamp, end)}


@app.command("backfill")
def backfill_job(
    job_id: JobId,
    start: Annotated[str, typer.Option("--from", help="Start of the range.", show_default=False)],
    end: Annotated[
        str, typer.Option("--to", help="End of the range, exclusive; not in the future.", show_default=False)
    ],
    overlap: Annotated[
        str | None, typer.Option(help="The overlap policy. Default: buffer_all, one after the other.")
    ] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Run past nominal times that did not run. Each run has the job's definition at its time."""
    body = without_none(overlap=overlap) | _time_range(start, end)
    with connect() as api:
        runs = api.post(resource_path("job", job_id, "backfill"), body)["items"]
    output.print_list(runs, _RUN_COLUMNS, fmt)


@app.command("delete")
def delete_job(job_id: JobId) -> None:
    """Delete a job. Its history stays readable."""
    with connect() as api:
        api.delete(resource_path("job", job_id))
    output.print_message(f"deleted job {job_id}")
