"""`duebook executor`, `duebook task`, `duebook system` and `duebook whoami`: what the installation consists of."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from duebook.cli import output
from duebook.cli.options import Filter, Limit, Output, connect
from duebook.cli.output import Format
from duebook.cli.values import Presence

executors = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Show executors, and what each of them is doing."
)
tasks = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Show the tasks that executors have registered.")

_EXECUTOR_COLUMNS = ("id", "host", "version", "state", "queues", "running", "slots", "started_at", "seen_at")
_RUN_COLUMNS = ("id", "job_name", "task", "queue", "attempt", "started_at")
_TASK_COLUMNS = ("name", "executors", "queues", "seen_at")
_SERVICE_COLUMNS = ("service", "state", "host", "version", "tzdata", "started_at", "seen_at", "id")
_FACTS = ("schema", "postgres", "relay_lag_events", "feed_horizon_age_seconds")


@executors.command("list")
def list_executors(
    state: Annotated[Presence | None, typer.Option(help="Only in this state.")] = None,
    queue: Filter = None,
    task: Filter = None,
    limit: Limit = 50,
    fmt: Output = Format.TABLE,
) -> None:
    """List the executors of the last day, those that started last first."""
    with connect() as api:
        found = api.items("/api/executor", limit + 1, state=state, queue=queue, task=task)
        output.print_list(output.take(found, limit), _EXECUTOR_COLUMNS, fmt)


@executors.command("show")
def show_executor(
    executor: Annotated[str, typer.Argument(metavar="EXECUTOR", show_default=False, help="Its id or its name.")],
    fmt: Output = Format.TABLE,
) -> None:
    """Show an executor and the runs that it executes."""
    with connect() as api:
        shown = api.get(f"/api/executor/{quote(executor, safe='')}")
    if fmt is Format.JSON:
        output.print_json(shown)
        return
    runs = shown.pop("runs")
    output.print_item(shown, fmt)
    if runs:
        output.print_data("\n" + output.table(runs, _RUN_COLUMNS))


@tasks.command("list")
def list_tasks(limit: Limit = 200, fmt: Output = Format.TABLE) -> None:
    """List the tasks that executors have registered, by name."""
    with connect() as api:
        output.print_list(output.take(api.items("/api/task", limit + 1), limit), _TASK_COLUMNS, fmt)


@tasks.command("show")
def show_task(
    name: Annotated[str, typer.Argument(metavar="TASK", show_default=False)], fmt: Output = Format.TABLE
) -> None:
    """Show a task with the JSON Schema of its payload."""
    with connect() as api:
        output.print_item(api.get(f"/api/task/{quote(name, safe='')}"), fmt)


def system(fmt: Output = Format.TABLE) -> None:
    """Show the running services, their settings, and the state of the database and the log."""
    with connect() as api:
        shown = api.get("/api/system")
    if fmt is Format.JSON:
        output.print_json(shown)
    else:
        output.print_data("\n".join(_screen(shown)))


def _screen(shown: Mapping[str, Any]) -> Iterator[str]:
    yield from (output.table(shown["services"], _SERVICE_COLUMNS), "")
    yield from output.aligned([[name.replace("_", " "), output.one_line(shown[name])] for name in _FACTS])
    settings = [{"setting": each["name"], "value": _values(each["values"])} for each in shown["settings"]]
    yield from ("", output.table(settings, ("setting", "value")), "")
    yield output.table(shown["tables"], ("name", "rows", "bytes"))


def _values(values: list[dict[str, Any]]) -> str:
    """The value; where services differ, each with those that have it."""
    texts = [output.one_line(each["value"]) for each in values]
    if len(texts) == 1:
        return texts[0]
    services = (", ".join(each["services"]) for each in values)
    return "; ".join(f"{text} ({names})" for text, names in zip(texts, services, strict=True))


def whoami(fmt: Output = Format.TABLE) -> None:
    """Show the name, the scopes and the expiry of the key in DUEBOOK_API_KEY, as the server knows it."""
    with connect() as api:
        output.print_item(api.get("/api/whoami"), fmt)
