"""The command line, from the commands themselves."""

from collections.abc import Iterator

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from docs.pages.markdown import code, page, table
from duebook.cli.app import app

_INTRODUCTION = """
`duebook` talks to the API that `DUEBOOK_URL` names, with the key in `DUEBOOK_API_KEY`. `verify`, `rebuild`, `migrate`
and `key` work on the database that `DUEBOOK_POSTGRES_URL` names.

* `-o table` or `-o json` chooses the form of what a command prints. Data goes to stdout, remarks to stderr.
* Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found.
* A time is RFC 3339 with an offset (`2026-11-24T02:00:00+01:00`), or relative: `'in 90s'`, `'3d ago'`.
* A duration is `90s`, `5m`, `1h30m`, `2d`, or ISO 8601: `PT90S`.
* A recurrence is `none`, `daily`, `weekly`, `'every 15m'`, `'cron 0 2 * * *'` or `'rrule FREQ=MONTHLY;BYDAY=-1FR'`.
* `duebook … --help` prints what is below.
"""


def commands(group: TyperGroup, path: str = "duebook") -> Iterator[tuple[str, TyperCommand]]:
    """Every command with its whole name, those of groups first."""
    for name, command in sorted(group.commands.items(), key=lambda item: not isinstance(item[1], TyperGroup)):
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{path} {name}")
        elif isinstance(command, TyperCommand):
            yield f"{path} {name}", command


def _section(path: str, command: TyperCommand) -> Iterator[str]:
    options = [each for each in command.params if isinstance(each, TyperOption) and not each.hidden]
    arguments = [_argument(each) for each in command.params if isinstance(each, TyperArgument)]
    yield f"### {' '.join([path, *arguments])}"
    yield command.help or ""
    rows = [_row(option) for option in options if option.name not in {"help", "form"}]
    yield table(("option", "default", "meaning"), rows) if rows else ""


def _argument(argument: TyperArgument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def _row(option: TyperOption) -> tuple[str, str, str]:
    names = ", ".join(map(code, option.opts))
    if option.required:
        default = "required"
    elif option.default in (None, False, ()):
        default = ""
    else:
        default = code(str(option.default))
    return names + " (repeatable)" * option.multiple, default, option.help or ""


def render() -> str:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    sections = [block for path, command in commands(group) for block in _section(path, command)]
    return page("Command line", _INTRODUCTION, *sections)
