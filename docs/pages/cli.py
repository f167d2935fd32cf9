"""The command line, from the commands themselves."""

from collections.abc import Iterator

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from docs.pages.markdown import code, codes, page, table
from duebook.cli.app import app

_INTRODUCTION = """
`duebook` talks to the API that `DUEBOOK_URL` names (`http://127.0.0.1:8000`), with the key in `DUEBOOK_API_KEY` or in the
file that `DUEBOOK_API_KEY_FILE` names. `verify`, `rebuild`, `migrate` and `key` work on the database that
`DUEBOOK_POSTGRES_URL` names. What the environment leaves out is read from `.duebook/env` in the directory in which you run
it, unless `DUEBOOK_URL` names another server than that file: `make up` writes it.

* A `JOB` is the id of a job, or its name if no other job has it; the message lists the jobs if several have it.
* `-o table` or `-o json` chooses the form of what a command prints. Data goes to stdout, remarks to stderr.
  In a list an `error` is cut; `show` and JSON have all of it.
* Exit codes: 0 success, 1 failure, 2 wrong usage, 3 not found, or not in the database any more.
* A file of `--file`, `--changes` or `@FILE` is JSON or YAML.
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
    rows = [_row(option) for option in options if option.name != "help"]
    yield table(("option", "default", "meaning"), rows) if rows else ""
    if command.epilog:
        yield "\n".join(["```text", command.epilog.removeprefix("\b").strip(), "```"])


def _argument(argument: TyperArgument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def _row(option: TyperOption) -> tuple[str, str, str]:
    names = ", ".join(map(code, [*option.opts, *option.secondary_opts]))
    if option.required:
        default = "required"
    elif option.default in (None, False, ()):
        default = ""
    else:
        default = code(str(option.default))
    return names + " (repeatable)" * option.multiple, default, f"{option.help or ''}{_choices(option)}"


def _choices(option: TyperOption) -> str:
    choices = option.type_descriptor.choices if option.name != "fmt" else None
    return f" One of {codes(map(str, choices))}." if choices else ""


def render() -> str:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    sections = [block for path, command in commands(group) for block in _section(path, command)]
    return page("Command line", _INTRODUCTION, *sections)
