"""The command line: `duebook --help`."""

import errno
import os
import re
import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from duebook.cli.coercion import convert_plainly
from duebook.cli.failures import EXPECTED, Failure, exit_code, explain
from duebook.cli.output import print_data, print_message, unwritten

_UNWRITABLE = {errno.EBADF, errno.ENOSPC}  # stdout is closed, the disk is full
_FIRST_FILE = 3  # the number of the first file that is none of stdin, stdout and stderr

# Each command or group with its module and what holds it there. Only that of the command is imported.
COMMANDS = {
    "job": ("jobs", "app"),
    "run": ("runs", "app"),
    "dead-letter": ("dead_letters", "app"),
    "bulk": ("bulk", "app"),
    "events": ("events", "app"),
    "schedule": ("schedules", "app"),
    "apply": ("apply", "apply"),
    "key": ("keys", "app"),
    "status": ("overview", "status"),
    "top": ("overview", "top"),
    "queue": ("queues", "app"),
    "freeze": ("queues", "freeze"),
    "thaw": ("queues", "thaw"),
    "executor": ("installation", "executors"),
    "task": ("installation", "tasks"),
    "system": ("installation", "system"),
    "mail": ("mails", "app"),
    "audit": ("audit", "audit"),
    "whoami": ("installation", "whoami"),
    "stats": ("stats", "stats"),
    "archive": ("archives", "app"),
    "verify": ("integrity", "verify"),
    "day-lines": ("integrity", "day_lines"),
    "rebuild": ("integrity", "rebuild"),
    "rebase-log": ("integrity", "rebase_log"),
    "migrate": ("integrity", "migrate"),
    "dev": ("app", "dev"),
}


class LazyCommands(MutableMapping[str, Any]):
    """The commands by name; one is imported when it is first asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self[name] = _load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _load(name: str) -> TyperGroup | TyperCommand:
    module, attribute = COMMANDS[name]
    found = getattr(import_module(f"duebook.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        command: Any = typer.main.get_group(found)
    else:
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name)(found)
        command = typer.main.get_command(alone)
    assert isinstance(command, TyperGroup | TyperCommand)
    command.name = name
    convert_plainly(command)
    _describe_in_full(command)
    return command


def _describe_in_full(command: TyperGroup | TyperCommand) -> None:
    """Let lists of commands have the whole first sentence of each; else a narrow terminal would cut it."""
    command.short_help = re.split(r"(?<=\.)\s", command.help or "")[0]
    for each in command.commands.values() if isinstance(command, TyperGroup) else ():
        assert isinstance(each, TyperGroup | TyperCommand)
        _describe_in_full(each)


_EXTRA = "Got unexpected extra argument"
_OF_PYDANTIC = "Value error, "
_QUOTES = "put a value that has spaces into quotes, like 'cron 30 2 * * *' or 'every 15m'"


class ErrorHandlingGroup(TyperGroup):
    """Prints expected failures as one line and exits with their code, instead of a traceback."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = LazyCommands()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        convert_plainly(self, deep=False)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            for line in explain(error):
                print_message(line)
            raise typer.Exit(exit_code(error)) from None
        except TyperException as error:
            error.message = error.message.replace(_OF_PYDANTIC, "")
            if error.message.startswith(_EXTRA):
                error.message += f"; {_QUOTES}"
            raise


app = typer.Typer(cls=ErrorHandlingGroup, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_data(f"duebook {version('duebook')}")
        raise typer.Exit


@app.callback()
def every_command(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Every due job, accounted for.

    The API and its key are DUEBOOK_URL and DUEBOOK_API_KEY, or those of the file .duebook/env in this directory,
    which `make up` writes.
    """


def dev(port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the API.")] = 8000) -> None:
    """Start all servers and services on this machine. They run until Ctrl-C."""
    try:
        from duebook_devstack import dev as devstack
    except ModuleNotFoundError as error:
        raise Failure(f"`duebook dev` needs {error.name}; install the package duebook-devstack") from None
    devstack.main(port)


def open_streams() -> None:
    """Open what the caller has closed of the standard streams.

    Otherwise a connection would get the number of one, and take what is written to it. What is written to a closed
    stdout fails, because the file is open for reading only.
    """
    while (number := os.open(os.devnull, os.O_RDONLY)) < _FIRST_FILE:
        if number == 1:
            sys.stdout = open(number, "w", closefd=False)  # noqa: SIM115 - a descriptor, as long as the program
    os.close(number)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the program


def main() -> None:
    from duebook_common.runtime import timezones

    open_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an encoding that lacks a character must not fail
    timezones.pin()
    try:
        app(prog_name="duebook")
    except OSError as error:  # of a help: what commands print ends otherwise
        if error.errno not in _UNWRITABLE:
            raise
        print_message(str(unwritten(error)))
        sys.exit(1)
