"""Plain values of options, without typer's own conversion: that imports pydantic, half the time of a call.

Whatever is not plainly valid goes to typer, which converts or refuses it.
"""

import re
from enum import Enum
from typing import Any, get_args, get_origin

from typer import Context
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)


class NotPlain(Exception):
    """Typer must convert the value, or refuse it."""


class PlainCoercion:
    """Stands where typer keeps the conversion of a parameter, which it makes when it first needs it."""

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        try:
            return plain(value, param.type_descriptor.annotation, param.type_descriptor.parameter_info)
        except NotPlain:
            param._runtime_param = None  # noqa: SLF001 - typer makes its own
            return param.get_runtime_param().coerce(value, param=param, ctx=ctx)


def plain(value: Any, kind: Any, info: Any) -> Any:
    """The value as `kind`; raises NotPlain unless that is beyond doubt."""
    if info.parser is not None:
        raise NotPlain
    if get_origin(kind) is list and isinstance(value, list | tuple):
        return [plain(each, get_args(kind)[0], info) for each in value]
    if kind in {str, bool} and isinstance(value, kind):
        return value
    if isinstance(kind, type) and issubclass(kind, Enum) and value in [each.value for each in kind]:
        return kind(value)
    if kind is int and _INTEGER.fullmatch(str(value)) and _within(int(value), info.min, info.max):
        return int(value)
    raise NotPlain


def _within(number: int, least: float | None, most: float | None) -> bool:
    return (least is None or number >= least) and (most is None or number <= most)


def convert_plainly(command: TyperGroup | TyperCommand, *, deep: bool = True) -> None:
    """Let a command, and with `deep` all of a group, convert plain values by itself."""
    for param in command.get_params(Context(command)):  # unlike `params`, with --help
        if isinstance(param, TyperOption | TyperArgument):
            param._runtime_param = PlainCoercion()  # type: ignore[assignment] # noqa: SLF001
    for each in command.commands.values() if deep and isinstance(command, TyperGroup) else ():
        assert isinstance(each, TyperGroup | TyperCommand)
        convert_plainly(each)
