"""Options and helpers that several commands share."""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

import typer

from duebook.cli import parsing
from duebook.cli.failures import NotFound
from duebook.cli.output import Format
from duebook.client import Client
from duebook_common.runtime.iso_duration import iso

T = TypeVar("T")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_EXAMPLE = "01a2b3c4-0000-7000-8000-000000000000"


def _check_idempotency_key(key: str | None) -> str | None:
    """Refuse a key that an HTTP header cannot carry."""
    if key is not None and not (key and key.isascii() and key.isprintable()):
        raise typer.BadParameter("a key has 1 to 255 printable ASCII characters")
    return key


Output = Annotated[Format, typer.Option("--output", "-o", help="The format of the output.")]
Limit = Annotated[int, typer.Option(min=1, help="The maximum number of items.")]
Filter = Annotated[str | None, typer.Option(help="Only with exactly this value.")]
Text = Annotated[
    str | None, typer.Option("--text", help="Only those whose name or error contains this, in capitals or not.")
]
ToTheEnd = Annotated[
    bool, typer.Option("--all", help="Search to the end, however many items there are without a match.")
]
Payload = Annotated[
    str | None, typer.Option(help="The payload as JSON, or @FILE to read it from a file (@- is stdin).")
]
Reason = Annotated[str | None, typer.Option(help="The reason, for the history.")]
RequiredReason = Annotated[str, typer.Option(help="The reason, for the history.")]
Wait = Annotated[
    str | None, typer.Option(help="Wait until the run has ended, but no longer than this, e.g. 30s; 60s at most.")
]
AsOf = Annotated[
    str | None, typer.Option(help="As it stood at this time: one with an offset, or e.g. '1h ago'.", metavar="TIME")
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        callback=_check_idempotency_key,
        help="Makes the command safe to repeat: the same key takes effect only once.",
    ),
]


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter that is a dataclass by the fields of this class, so that commands can share options."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: each.annotation for name, each in signature.parameters.items() if is_dataclass(each.annotation)
    }

    @wraps(command)
    def spread_command(**given: Any) -> None:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in fields(kind)}) for name, kind in groups.items()
        }
        command(**made, **given)

    parameters = [new for name, each in signature.parameters.items() for new in _spread(groups.get(name), each)]
    spread_command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    spread_command.__annotations__ = {each.name: each.annotation for each in parameters}
    return spread_command


def _spread(group: Any, parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """The parameters of a group's fields, or the parameter itself."""
    if group is None:
        return [parameter.replace(kind=parameter.KEYWORD_ONLY)]
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(each.name, parameter.KEYWORD_ONLY, default=each.default, annotation=hints[each.name])
        for each in fields(group)
    ]


def connect(retry_for: float = 0) -> Client:
    """A client of the API at DUEBOOK_URL, with the key of DUEBOOK_API_KEY or of the file at DUEBOOK_API_KEY_FILE.

    A failure is printed at once, unless requests shall be repeated for so many seconds.
    """
    return Client(retry_for=retry_for)


def is_id(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def resource_path(kind: str, id_: str, *more: str) -> str:
    """The path of a resource in the API; raises NotFound if `id_` is neither a UUID nor the key of a job."""
    if not is_id(id_) and not id_.startswith("key%3A"):
        raise NotFound(f"there is no {kind.replace('-', ' ')} {id_!r}; an id looks like {_EXAMPLE}")
    return "/".join(["/api", kind, id_, *more])


def parse_option(name: str, parse: Callable[[str], T], text: str | None) -> T | None:
    """The value of an option, None if it is not given; a ValueError of `parse` becomes a usage error that names it."""
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from None


class Waiting(NamedTuple):
    """What `--wait` adds to a request."""

    query: str = ""
    held: float = 0


def waiting(text: str | None) -> Waiting:
    """The query, and for how many seconds the server may hold back its answer."""
    wait = parse_option("--wait", parsing.duration, text)
    return Waiting() if wait is None else Waiting(f"?wait={iso(wait)}", wait.total_seconds())


def joined(values: Sequence[str] | None) -> str | None:
    """The values of an option that may be repeated, as a parameter of the API."""
    return ",".join(values) if values else None


def timestamp(text: str) -> str:
    return parsing.timestamp(text, datetime.now(UTC))


def times_of(filters: object, *names: str) -> dict[str, str | None]:
    """The timestamps in these options of a filter."""
    return {name: parse_option(f"--{name.replace('_', '-')}", timestamp, getattr(filters, name)) for name in names}


def without_none(**fields: Any) -> dict[str, Any]:
    """The fields of a request body that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def payload_field(text: str | None) -> dict[str, Any]:
    """The field `payload` if the option is given, also for the JSON value `null`."""
    return {} if text is None else {"payload": parse_option("--payload", parsing.json_or_file, text)}
