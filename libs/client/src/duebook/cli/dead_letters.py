"""`duebook dead-letter`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.names import OfJob, filter_id
from duebook.cli.options import (
    Limit,
    Output,
    Payload,
    RequiredReason,
    Text,
    ToTheEnd,
    connect,
    payload_field,
    resource_path,
    spread,
    times_of,
    without_none,
)
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook.client import Client
from duebook_common.runtime.phrases import short_duration

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Inspect, redrive and discard dead letters.")

_COLUMNS = ("id", "job_name", "task", "queue", "attempts", "age", "fingerprint", "error")
_GROUP_COLUMNS = ("fingerprint", "count", "jobs", "task", "first_seen", "last_seen", "error")

RunId = Annotated[str, typer.Argument(metavar="RUN_ID", show_default=False)]


@dataclass(frozen=True)
class Filters:
    """Which dead letters a command is about."""

    job: OfJob = None
    task: Annotated[str | None, typer.Option(help="Only of this task.")] = None
    queue: Annotated[str | None, typer.Option(help="Only of this queue.")] = None
    fingerprint: Annotated[str | None, typer.Option(help="Only with this error fingerprint; `groups` lists them.")] = (
        None
    )

    def fields(self, api: Client) -> dict[str, Any]:
        return without_none(
            job_id=filter_id(api, self.job), task=self.task, queue=self.queue, fingerprint=self.fingerprint
        )


@dataclass(frozen=True)
class Search:
    """Further filters of lists, and of a redrive of many."""

    tag: Annotated[str | None, typer.Option(help="Only of jobs that have this tag.")] = None
    text: Text = None
    finished_from: Annotated[str | None, typer.Option(help="Ended at this time or later, e.g. '1h ago'.")] = None
    finished_to: Annotated[str | None, typer.Option(help="Ended before this time.")] = None

    def fields(self) -> dict[str, Any]:
        return without_none(tag=self.tag, q=self.text, **times_of(self, "finished_from", "finished_to"))


@app.command("list")
@spread
def list_dead_letters(
    filters: Filters,
    search: Search,
    limit: Limit = 50,
    to_the_end: ToTheEnd = False,
    fmt: Output = Format.TABLE,
) -> None:
    """List dead letters, newest first."""
    with connect() as api:
        pages = api.pages("/api/dead-letter", limit + 1, **filters.fields(api), **search.fields())
        found = output.take_matching(pages, limit, to_the_end=to_the_end)
        output.print_list(found if fmt is Format.JSON else list(map(with_age_in_words, found)), _COLUMNS, fmt)


@app.command("show")
def show_dead_letter(run_id: RunId, fmt: Output = Format.TABLE) -> None:
    """Show a dead letter with its error, payload and lineage."""
    with connect() as api:
        found = api.get(resource_path("dead-letter", run_id))
        output.print_item(found if fmt is Format.JSON else with_age_in_words(found), fmt)


def with_age_in_words(dead_letter: Mapping[str, Any]) -> dict[str, Any]:
    """The dead letter for a table: its age is text that people read."""
    return {**dead_letter, "age": short_duration(duration(dead_letter["age"]))}


@app.command("groups")
@spread
def list_groups(filters: Filters, search: Search, limit: Limit = 50, fmt: Output = Format.TABLE) -> None:
    """Count dead letters by error fingerprint, the most frequent first."""
    with connect() as api:
        groups = api.items("/api/dead-letter/groups", limit + 1, **filters.fields(api), **search.fields())
        output.print_list(output.take(groups, limit), _GROUP_COLUMNS, fmt)


@app.command("redrive")
@spread
def redrive(
    filters: Filters,
    search: Search,
    reason: RequiredReason,
    run_id: Annotated[str | None, typer.Argument(metavar="RUN_ID", show_default=False)] = None,
    payload: Payload = None,
    all_: Annotated[bool, typer.Option("--all", help="Redrive all dead letters that match the filters.")] = False,
    rate: Annotated[float | None, typer.Option(help="The maximum number of runs per second.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The maximum number of runs, the oldest first.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the matching dead letters.")] = False,
    fmt: Output = Format.TABLE,
) -> None:
    """Redrive a dead letter: its run gets new attempts. With --all or a filter, redrive many."""
    many = all_ or filters != Filters() or search != Search()
    if (run_id is None) != many:
        raise typer.BadParameter("give either one run id, or --all or a filter", param_hint="RUN_ID")
    if run_id is not None and (rate is not None or limit is not None or dry_run):
        raise typer.BadParameter("--rate, --limit and --dry-run require --all or a filter", param_hint="RUN_ID")
    if run_id is None and payload is not None:
        raise typer.BadParameter("this requires one run id", param_hint="--payload")
    given = payload_field(payload)
    with connect() as api:
        if run_id is None:
            filter_ = filters.fields(api) | search.fields()
            body = without_none(filter=filter_, reason=reason, rate=rate, limit=limit, dry_run=dry_run)
            redriven = api.post("/api/dead-letter/redrive", body)
        else:
            redriven = api.post(resource_path("dead-letter", run_id, "redrive"), {"reason": reason} | given)
        output.print_item(redriven, fmt)


@app.command("discard")
def discard(run_id: RunId, reason: RequiredReason, fmt: Output = Format.TABLE) -> None:
    """Discard a dead letter: its run gets no further attempts."""
    with connect() as api:
        output.print_item(api.post(resource_path("dead-letter", run_id, "discard"), {"reason": reason}), fmt)
