"""`duebook apply`."""

import os
import sys
from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.failures import Failure
from duebook.cli.options import Output, connect
from duebook.cli.output import Format

_DIFFERENCE = 2
_RETRY_FOR = 30.0  # seconds: what is applied in part must be repeated
_COLOURS = {"+": "\x1b[32m", "-": "\x1b[31m", "~": "\x1b[33m"}


def apply(
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="A file of jobs, YAML or JSON, or a directory of such; may be repeated."),
    ] = None,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Only show the difference; exit with 2 if there is one.")
    ] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Delete jobs of the files' sets that are in no file.")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a file, for editors, and exit.")
    ] = False,
    fmt: Output = Format.TABLE,
) -> None:
    """Make the jobs what files say: create, change and, with --prune, delete. Jobs are found by their `key`.

    All is validated before anything is changed. The same files twice change nothing.
    """
    if schema:
        print_schema()
        return
    if not file:
        raise typer.BadParameter("name a file of jobs", param_hint="--file")
    difference = _apply(file, plan_only=plan_only, prune=prune, fmt=fmt)
    if plan_only and difference:
        raise typer.Exit(_DIFFERENCE)


def print_schema() -> None:
    from importlib.resources import files

    output.print_data(files("duebook.cli.job_sets").joinpath("jobs.schema.json").read_text(encoding="utf-8").rstrip())


def _apply(names: list[str], *, plan_only: bool, prune: bool, fmt: Format) -> bool:
    """Print the difference, and apply it; returns whether there is one."""
    from duebook.cli.job_sets import plan as plans
    from duebook.cli.job_sets import service
    from duebook.cli.job_sets.files import InvalidFiles, read_files

    try:
        files = read_files(names)
        with connect(retry_for=_RETRY_FOR) as api:
            current = service.current_jobs(api, files)
            plans.checked_sets(files, current)
            planned = service.planned_jobs(api, files)
            plan = plans.make_plan(files, current, planned, prune=prune)
            _print(plan, _effect(api, plan, files.sets), fmt)
            if not plan_only:
                _execute(api, plan)
    except InvalidFiles as error:
        raise Failure(f"{error}\nnothing was changed") from None
    return bool(plan.steps)


def _effect(api: Any, plan: Any, sets: Any) -> dict[str, Any] | None:
    from duebook.cli.job_sets import service

    try:
        return service.effect_of(api, plan, sets)
    except service.NoForecast as error:
        output.print_message(f"the effect on the schedule is left out: {error}")
        return None


def _execute(api: Any, plan: Any) -> None:
    from duebook.cli.job_sets import service

    done = {"create": "created", "change": "changed", "delete": "deleted"}
    for step in service.execute(api, plan.steps):
        output.print_message(f"{done[step.action]} {step.key}")


def _print(plan: Any, effect: dict[str, Any] | None, fmt: Format) -> None:
    from duebook.cli.job_sets import description

    if fmt is Format.JSON:
        output.print_json(description.as_json(plan, effect))
    else:
        for line in [*description.describe(plan), *(description.describe_effect(effect) if effect else ())]:
            output.print_data(_coloured(line))
    output.print_message(description.summary(plan))
    if plan.left:
        output.print_message(f"in no file, and kept without --prune: {', '.join(plan.left)}")


def _coloured(line: str) -> str:
    colour = _COLOURS.get(line.lstrip()[:1])
    if colour is None or not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return line
    return f"{colour}{line}\x1b[0m"
