"""`duebook run`."""

from typing import Annotated

import typer

from duebook.cli import output, watch, why
from duebook.cli.options import Limit, Output, Reason, connect, given, parsed, path
from duebook.cli.output import Format
from duebook.cli.parsing import duration

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at runs, watch and cancel them.")

_COLUMNS = ("id", "job_name", "status", "trigger", "attempt", "due_at", "finished_at", "error")

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", show_default=False)]


@app.command("list")
def list_runs(
    status: Annotated[str | None, typer.Option(help="E.g. running, retrying, succeeded, dead_lettered.")] = None,
    job: Annotated[str | None, typer.Option(metavar="JOB_ID", help="Of this job only.")] = None,
    task: Annotated[str | None, typer.Option()] = None,
    queue: Annotated[str | None, typer.Option()] = None,
    limit: Limit = 50,
    form: Output = Format.TABLE,
) -> None:
    """List runs, newest first."""
    with connect() as api:
        found = api.items("/api/run", limit + 1, status=status, job_id=job, task=task, queue=queue)
        output.show_list(output.first(found, limit), _COLUMNS, form)


@app.command("show")
def show_run(run_id: RunId, form: Output = Format.TABLE) -> None:
    """Show how a run stands, or how it ended."""
    with connect() as api:
        output.show_item(api.get(path("run", run_id)), form)


@app.command("why")
def why_run(run_id: RunId, form: Output = Format.TABLE) -> None:
    """Say why a run ran, did not, or waits."""
    with connect() as api:
        why.show(api.get(path("run", run_id, "why")), form)


@app.command("cancel")
def cancel_run(run_id: RunId, reason: Reason = None, form: Output = Format.TABLE) -> None:
    """Cancel a run that has not started; ask one that is running to stop."""
    with connect() as api:
        output.show_item(api.post(path("run", run_id, "cancel"), given(reason=reason)), form)


@app.command("watch")
def watch_run(
    run_id: RunId,
    interval: Annotated[str, typer.Option(help="How often to look: 1s.")] = "1s",
    form: Output = Format.TABLE,
) -> None:
    """Print what happens to a run until it ends, a line for each event; exits 1 unless it succeeds."""
    every = parsed("--interval", duration, interval)
    assert every is not None
    with connect() as api:
        status = watch.watch(api, path("run", run_id), every, form)
    output.say(f"run {run_id}: {status}")
    raise typer.Exit(0 if status == "succeeded" else 1)
