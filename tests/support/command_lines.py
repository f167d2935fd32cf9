"""Whether a command line that the product shows is one of its own."""

import shlex
from typing import Any

from typer.main import get_command

from duebook.cli.app import app


def faults(line: str) -> list[str]:
    """What `duebook` would refuse about the line, whatever its values stand for."""
    command: Any = get_command(app)
    words = shlex.split(line)[1:]
    name = None
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return [f"{line}: no such command"]
        name, *words = words
        command = command.commands[name]
    parser = command.make_parser(command.context_class(command, info_name=name))
    try:
        given, rest, _ = parser.parse_args(args=list(words))
    except Exception as error:
        return [f"{line}: {error}"]
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    missing = [each.name for each in arguments if each.required and given.get(each.name) in {None, ()}]
    return [f"{line}: unexpected {rest}"] * bool(rest) + [f"{line}: without {missing}"] * bool(missing)
