"""`duebook bulk`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.names import OfJob, filter_id
from duebook.cli.options import (
    IdempotencyKey,
    Limit,
    Output,
    Reason,
    Text,
    connect,
    parse_option,
    resource_path,
    spread,
    times_of,
    without_none,
)
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.cli.values import BulkAction, BulkStatus, JobStatus, RunStatus, Trigger
from duebook.cli.watch import Retrying
from duebook.client import Client

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Act on all jobs, runs or dead letters that match a filter, and watch or stop it.",
)

_COLUMNS = ("id", "action", "status", "matched", "done", "refused", "left", "rate", "requested_at", "reason")
_WATCHED = ("status", "done", "refused", "left", "estimated_end_at")

BulkId = Annotated[str, typer.Argument(metavar="BULK_ID", show_default=False)]
_Interval = Annotated[str, typer.Option(help="The time between two polls of --watch, e.g. 1s.")]
_Task = Annotated[str | None, typer.Option(help="Only those of this task.")]
_Queue = Annotated[str | None, typer.Option(help="Only those of this queue.")]
_Tag = Annotated[str | None, typer.Option(help="Only jobs with this tag, or runs of such jobs.")]


@dataclass(frozen=True)
class Request:
    """What every bulk operation takes. `--all` stands for no filter."""

    reason: Reason = None
    rate: Annotated[float | None, typer.Option(help="The maximum number of targets per second.")] = None
    limit: Annotated[int | None, typer.Option(min=1, help="The maximum number of targets, the oldest first.")] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the targets.")] = False
    watch: Annotated[bool, typer.Option("--watch", help="Print the progress until it ends.")] = False
    interval: _Interval = "1s"
    all_: Annotated[bool, typer.Option("--all", help="All targets; needed where no filter is given.")] = False
    idempotency_key: IdempotencyKey = None


@dataclass(frozen=True)
class JobFilters:
    """Which jobs."""

    status: Annotated[list[JobStatus] | None, typer.Option(help="Only with this status; may be repeated.")] = None
    name: Annotated[str | None, typer.Option(help="Only with exactly this name.")] = None
    task: _Task = None
    queue: _Queue = None
    tag: _Tag = None
    text: Text = None

    def fields(self, _: Client) -> dict[str, Any]:
        return {
            "status": self.status, "name": self.name, "task": self.task,
            "queue": self.queue, "tag": self.tag, "q": self.text,
        }  # fmt: skip


@dataclass(frozen=True)
class RunFilters:
    """Which runs."""

    status: Annotated[list[RunStatus] | None, typer.Option(help="Only with this status; may be repeated.")] = None
    job: OfJob = None
    task: _Task = None
    queue: _Queue = None
    tag: _Tag = None
    text: Text = None
    trigger: Annotated[Trigger | None, typer.Option(help="Only those that this has made.")] = None
    executor: Annotated[str | None, typer.Option(help="Only those whose last attempt it started.")] = None
    due_from: Annotated[str | None, typer.Option(help="Due at this time or later, e.g. '1h ago'.")] = None
    due_to: Annotated[str | None, typer.Option(help="Due before this time.")] = None

    def fields(self, api: Client) -> dict[str, Any]:
        times = times_of(self, "due_from", "due_to")
        same = {name: getattr(self, name) for name in ("status", "task", "queue", "tag", "trigger", "executor")}
        return same | times | {"job_id": filter_id(api, self.job), "q": self.text}


@dataclass(frozen=True)
class DeadLetterFilters:
    """Which dead letters."""

    job: OfJob = None
    task: _Task = None
    queue: _Queue = None
    tag: _Tag = None
    text: Text = None
    fingerprint: Annotated[str | None, typer.Option(help="Only with this error fingerprint.")] = None
    finished_from: Annotated[str | None, typer.Option(help="Dead letters since this time, e.g. '1h ago'.")] = None
    finished_to: Annotated[str | None, typer.Option(help="Dead letters from before this time.")] = None

    def fields(self, api: Client) -> dict[str, Any]:
        times = times_of(self, "finished_from", "finished_to")
        same = {name: getattr(self, name) for name in ("task", "queue", "tag", "fingerprint")}
        return same | times | {"job_id": filter_id(api, self.job), "q": self.text}


_Filters = JobFilters | RunFilters | DeadLetterFilters


def _act(action: BulkAction, filters: _Filters, request: Request, fmt: Format) -> None:
    if request.reason is None and not request.dry_run:
        raise typer.BadParameter("say why; only --dry-run needs no reason", param_hint="--reason")
    seconds = parse_option("--interval", duration, request.interval)
    assert seconds is not None
    with connect() as api:
        filter_ = {name: value for name, value in filters.fields(api).items() if value}
        if bool(filter_) == request.all_:
            raise typer.BadParameter("give either a filter, or --all", param_hint="--all")
        body = without_none(
            action=action, filter=filter_ or {"all": True}, reason=request.reason,
            rate=request.rate, limit=request.limit, dry_run=request.dry_run or None,
        )  # fmt: skip
        bulk = api.post("/api/bulk", body, idempotency_key=request.idempotency_key)
        if request.watch and not request.dry_run:
            bulk = _watch(api, bulk, Retrying(seconds))
    output.print_item(bulk, fmt)


def _watch(api: Client, bulk: dict[str, Any], retrying: Retrying) -> dict[str, Any]:
    """Print each change of the progress; returns the operation when it has ended."""
    path, shown = resource_path("bulk", bulk["id"]), ""
    retrying(lambda: bulk)  # the server has answered: from now on an outage is waited for
    while True:
        line = "  ".join(f"{name}={output.one_line(bulk[name])}" for name in _WATCHED)
        if line != shown:
            output.print_message(line)
            shown = line
        if bulk["status"] != "running":
            return bulk
        retrying.pause()
        bulk = retrying(partial(api.get, path))


def _jobs_command(action: BulkAction, text: str) -> Callable[..., None]:
    @spread
    def command(filters: JobFilters, request: Request, fmt: Output = Format.TABLE) -> None:
        _act(action, filters, request, fmt)

    command.__doc__ = text
    return command


for _action, _help in (
    (BulkAction.PAUSE, "Pause all active jobs that match."),
    (BulkAction.RESUME, "Resume all paused jobs that match."),
    (BulkAction.TRIGGER, "Start a run of each job that matches, now."),
    (BulkAction.DELETE, "Delete all jobs that match. Their history stays readable."),
):
    app.command(_action.value)(_jobs_command(_action, _help))


@app.command("cancel")
@spread
def cancel(filters: RunFilters, request: Request, fmt: Output = Format.TABLE) -> None:
    """Cancel all runs that match. Running attempts are asked to stop."""
    _act(BulkAction.CANCEL, filters, request, fmt)


@app.command("redrive")
@spread
def redrive(filters: DeadLetterFilters, request: Request, fmt: Output = Format.TABLE) -> None:
    """Redrive all dead letters that match: their runs get new attempts."""
    _act(BulkAction.REDRIVE, filters, request, fmt)


@app.command("discard")
@spread
def discard(filters: DeadLetterFilters, request: Request, fmt: Output = Format.TABLE) -> None:
    """Discard all dead letters that match: their runs get no further attempts."""
    _act(BulkAction.DISCARD, filters, request, fmt)


@app.command("list")
def list_operations(
    status: Annotated[BulkStatus | None, typer.Option(help="Only with this status.")] = None,
    action: Annotated[BulkAction | None, typer.Option(help="Only with this action.")] = None,
    limit: Limit = 50,
    fmt: Output = Format.TABLE,
) -> None:
    """List bulk operations, newest first."""
    with connect() as api:
        found = api.items("/api/bulk", limit + 1, status=status, action=action)
        output.print_list(output.take(found, limit), _COLUMNS, fmt)


@app.command("show")
def show_operation(
    bulk_id: BulkId,
    watch: Annotated[bool, typer.Option("--watch", help="Print the progress until it ends.")] = False,
    interval: _Interval = "1s",
    fmt: Output = Format.TABLE,
) -> None:
    """Show a bulk operation: who, why, its filter, its progress and what became of its runs."""
    seconds = parse_option("--interval", duration, interval)
    assert seconds is not None
    with connect() as api:
        bulk = api.get(resource_path("bulk", bulk_id))
        output.print_item(_watch(api, bulk, Retrying(seconds)) if watch else bulk, fmt)


@app.command("abort")
def abort(bulk_id: BulkId, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Stop a bulk operation. What it has done stays done."""
    with connect() as api:
        output.print_item(api.post(resource_path("bulk", bulk_id, "abort"), without_none(reason=reason)), fmt)
