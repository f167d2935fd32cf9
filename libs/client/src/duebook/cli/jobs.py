"""`duebook job`."""

from typing import Annotated, Any

import typer

from duebook.cli import output, parsing, why
from duebook.cli.options import Key, Limit, Output, Reason, connect, given, moment, parsed, path, sendable_key
from duebook.cli.output import Format

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Create, look at and steer jobs.")

_COLUMNS = ("id", "name", "status", "task", "queue", "recurrence", "next_due_at")

_LINES = ("nominal_at", "outcome", "reason", "run_id")
_RUNS = ("id", "status", "nominal_at", "job_version", "task", "queue")

JobId = Annotated[str, typer.Argument(metavar="JOB_ID", show_default=False)]
Payload = Annotated[str | None, typer.Option(help="JSON, or @FILE with JSON in it (@- is stdin).")]
Overlap = Annotated[str | None, typer.Option(help="Beside an active run: skip or allow_all.")]


@app.command("create")
def create_job(
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    task: Annotated[str | None, typer.Option(help="What it does, e.g. log or http.request.")] = None,
    payload: Payload = None,
    at: Annotated[str | None, typer.Option(help="When: a time with its offset, or 'in 90s'; default now.")] = None,
    recurrence: Annotated[
        str | None, typer.Option(help="none, daily, weekly, 'every 15m', 'cron 0 2 * * *', 'rrule FREQ=…'.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Whose wall clock it keeps, e.g. Europe/Berlin.")] = None,
    ends_at: Annotated[str | None, typer.Option(help="The last instant at which it may still be due.")] = None,
    queue: Annotated[str | None, typer.Option(help="Whose executors run it.")] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 9, higher first.")] = None,
    max_retries: Annotated[int | None, typer.Option(help="Attempts after the first.")] = None,
    timeout: Annotated[str | None, typer.Option(help="Of one attempt: 90s, 5m, 2h.")] = None,
    start_within: Annotated[str | None, typer.Option(help="Not started by then, it is skipped: 10m.")] = None,
    overlap: Overlap = None,
    notify: Annotated[list[str] | None, typer.Option(help="Whom to mail; may be repeated.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help="The job as JSON (- is stdin); flags go first.")
    ] = None,
    idempotency_key: Key = None,
    form: Output = Format.TABLE,
) -> None:
    """Create a job and print it."""
    body = _body(file) | given(
        name=name,
        task=task,
        scheduled_at=parsed("--at", moment, at),
        recurrence=parsed("--recurrence", parsing.recurrence, recurrence),
        timezone=timezone,
        ends_at=parsed("--ends-at", moment, ends_at),
        queue=queue,
        priority=priority,
        max_retries=max_retries,
        timeout=parsed("--timeout", parsing.iso_duration, timeout),
        start_within=parsed("--start-within", parsing.iso_duration, start_within),
        overlap=overlap,
        notify={"to": notify} if notify else None,
        tags=tag or None,
    )
    body |= payload_field(payload)
    if "name" not in body:
        raise typer.BadParameter("give the job a name", param_hint="NAME")
    with connect() as api:
        job = api.post("/api/job", body, idempotency_key=sendable_key(idempotency_key))
    for warning in job.get("warnings", []):
        output.say(warning)
    output.show_item(job, form)


def _body(file: str | None) -> dict[str, Any]:
    body = parsed("--file", parsing.json_file, file)
    if file is not None and not isinstance(body, dict):
        raise typer.BadParameter("the file must hold one JSON object", param_hint="--file")
    return body or {}


def payload_field(text: str | None) -> dict[str, Any]:
    """A payload that was given, `null` included."""
    return {} if text is None else {"payload": parsed("--payload", parsing.json_or_file, text)}


@app.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option(help="active, paused, finished or deleted.")] = None,
    name: Annotated[str | None, typer.Option(help="The whole name.")] = None,
    task: Annotated[str | None, typer.Option()] = None,
    queue: Annotated[str | None, typer.Option()] = None,
    tag: Annotated[str | None, typer.Option()] = None,
    limit: Limit = 50,
    form: Output = Format.TABLE,
) -> None:
    """List jobs, newest first."""
    with connect() as api:
        found = api.items("/api/job", limit + 1, status=status, name=name, task=task, queue=queue, tag=tag)
        output.show_list(output.first(found, limit), _COLUMNS, form)


@app.command("show")
def show_job(job_id: JobId, form: Output = Format.TABLE) -> None:
    """Show a job with every effective default."""
    with connect() as api:
        output.show_item(api.get(path("job", job_id)), form)


@app.command("why")
def why_job(
    job_id: JobId,
    at: Annotated[str | None, typer.Option(help="About this time: one with its offset, or 'in 90s'.")] = None,
    form: Output = Format.TABLE,
) -> None:
    """Say why a job ran at a time or did not, or what it waits for now."""
    with connect() as api:
        why.show(api.get(path("job", job_id, "why"), at=parsed("--at", moment, at)), form)


@app.command("pause")
def pause_job(job_id: JobId, reason: Reason = None, form: Output = Format.TABLE) -> None:
    """Let no further occurrence run until the job is resumed."""
    with connect() as api:
        output.show_item(api.post(path("job", job_id, "pause"), given(reason=reason)), form)


@app.command("resume")
def resume_job(job_id: JobId, reason: Reason = None, form: Output = Format.TABLE) -> None:
    """Go on with the next occurrence; what fell into the pause is skipped."""
    with connect() as api:
        output.show_item(api.post(path("job", job_id, "resume"), given(reason=reason)), form)


@app.command("trigger")
def trigger_job(
    job_id: JobId,
    payload: Payload = None,
    overlap: Overlap = None,
    idempotency_key: Key = None,
    form: Output = Format.TABLE,
) -> None:
    """Run a job now, also while it is paused, and print the run."""
    body = payload_field(payload) | given(overlap=overlap)
    with connect() as api:
        run = api.post(path("job", job_id, "trigger"), body, idempotency_key=sendable_key(idempotency_key))
        output.show_item(run, form)


@app.command("ledger")
def show_ledger(
    job_id: JobId,
    start: Annotated[str | None, typer.Option("--from", help="From this time on; default its first.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Before this time; default now.")] = None,
    form: Output = Format.TABLE,
) -> None:
    """Show what became of every nominal time of a job, and that none is unaccounted for."""
    asked: dict[str, Any] = {"from": parsed("--from", moment, start), "to": parsed("--to", moment, end)}
    with connect() as api:
        pages = list(api.pages(path("job", job_id, "ledger"), **asked))
    told = pages[-1] | {"items": [item for page in pages for item in page["items"]]}
    del told["next_cursor"]
    if form is Format.JSON:
        output.show_json(told)
    else:
        output.show_list(told["items"], _LINES, form)
    output.say(", ".join(f"{told[name]} {name}" for name in ("expected", "recorded", "due", "unaccounted")))


@app.command("backfill")
def backfill_job(
    job_id: JobId,
    start: Annotated[str, typer.Option("--from", help="From this time on.", show_default=False)],
    end: Annotated[str, typer.Option("--to", help="Before this time, which must be past.", show_default=False)],
    overlap: Annotated[str | None, typer.Option(help="Beside active runs; default buffer_all, in order.")] = None,
    form: Output = Format.TABLE,
) -> None:
    """Run the past nominal times that did not run, as the job was defined then, and print the runs."""
    body = given(overlap=overlap) | {"from": parsed("--from", moment, start), "to": parsed("--to", moment, end)}
    with connect() as api:
        runs = api.post(path("job", job_id, "backfill"), body)["items"]
    output.show_list(runs, _RUNS, form)


@app.command("delete")
def delete_job(job_id: JobId) -> None:
    """Delete a job; its history stays readable."""
    with connect() as api:
        api.delete(path("job", job_id))
    output.say(f"job {job_id} is deleted")
