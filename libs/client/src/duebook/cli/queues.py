"""`duebook queue`, `duebook freeze` and `duebook thaw`: what waits in each queue, and what is paused."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from duebook.cli import output
from duebook.cli.options import Limit, Output, Reason, connect, without_none
from duebook.cli.output import Format

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show queues, and pause and resume them.")

_COUNTS = ("due", "waiting", "dispatched", "running", "retrying", "dead_lettered")
_COLUMNS = ("name", "state", *_COUNTS, "oldest_due_at", "executors")

Name = Annotated[str, typer.Argument(metavar="QUEUE", show_default=False)]


@app.command("list")
def list_queues(limit: Limit = 200, fmt: Output = Format.TABLE) -> None:
    """List the queues by name: what waits in each, and whether it is paused."""
    with connect() as api:
        found = output.take(api.items("/api/queue", limit + 1), limit)
        output.print_list([_with_state(each) for each in found], _COLUMNS, fmt)


@app.command("show")
def show_queue(name: Name, fmt: Output = Format.TABLE) -> None:
    """Show a queue, with who paused it and why."""
    with connect() as api:
        output.print_item(api.get(_path(name)), fmt)


@app.command("pause")
def pause_queue(name: Name, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Pause a queue: none of its runs is sent or started until the resume; what falls due stays due."""
    with connect() as api:
        output.print_item(api.post(f"{_path(name)}/pause", without_none(reason=reason)), fmt)


@app.command("resume")
def resume_queue(name: Name, reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Resume a paused queue: all that waited is due at once."""
    with connect() as api:
        output.print_item(api.post(f"{_path(name)}/resume", without_none(reason=reason)), fmt)


def freeze(reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """Pause all queues at once: no run is sent or started until `duebook thaw`; what falls due stays due."""
    with connect() as api:
        output.print_item(api.post("/api/freeze", without_none(reason=reason)), fmt)


def thaw(reason: Reason = None, fmt: Output = Format.TABLE) -> None:
    """End a freeze. Queues that were paused by themselves stay paused."""
    with connect() as api:
        output.print_item(api.post("/api/thaw", without_none(reason=reason)), fmt)


def _path(name: str) -> str:
    return f"/api/queue/{quote(name, safe='')}"


def _with_state(queue: Mapping[str, Any]) -> dict[str, Any]:
    state = "frozen" if queue["frozen"] else "paused" if queue["pause"] else "running"
    return {**queue, "state": state}
