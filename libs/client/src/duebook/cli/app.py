"""The command line: `duebook --help`."""

import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from duebook.cli import dead_letters, events, integrity, jobs, keys, runs, schedules
from duebook.cli.failures import EXPECTED, Failure, exit_code, explain
from duebook.cli.output import print_message
from duebook_common.runtime import timezones


class ErrorHandlingGroup(TyperGroup):
    """Prints expected failures as one line and exits with their code, instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            for line in explain(error):
                print_message(line)
            raise typer.Exit(exit_code(error)) from None


app = typer.Typer(
    cls=ErrorHandlingGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Every due job, accounted for.",
)
app.add_typer(jobs.app, name="job")
app.add_typer(runs.app, name="run")
app.add_typer(dead_letters.app, name="dead-letter")
app.add_typer(events.app, name="events")
app.add_typer(schedules.app, name="schedule")
app.add_typer(keys.app, name="key")
app.command()(integrity.verify)
app.command()(integrity.rebuild)
app.command()(integrity.migrate)


@app.command()
def dev(port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the API.")] = 8000) -> None:
    """Start all servers and services on this machine. They run until Ctrl-C."""
    try:
        from duebook_devstack import dev as devstack  # noqa: PLC0415 - only this command needs the package
    except ModuleNotFoundError as error:
        raise Failure(f"`duebook dev` needs {error.name}; install the package duebook-devstack") from None
    devstack.main(port)


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an encoding that lacks a character must not fail
    timezones.pin()
    app(prog_name="duebook")
