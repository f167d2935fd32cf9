"""Options and helpers that several commands share."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from duebook.cli import parsing
from duebook.cli.failures import DEFAULT_URL, Failure, NotFound
from duebook.cli.output import Format
from duebook.client import Client

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
Payload = Annotated[
    str | None, typer.Option(help="The payload as JSON, or @FILE to read it from a file (@- is stdin).")
]
Reason = Annotated[str | None, typer.Option(help="The reason, for the history.")]
RequiredReason = Annotated[str, typer.Option(help="The reason, for the history.")]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        callback=_check_idempotency_key,
        help="Makes the command safe to repeat: the same key takes effect only once.",
    ),
]


def connect() -> Client:
    """A client of the API at DUEBOOK_URL, with the key of DUEBOOK_API_KEY or of the file at DUEBOOK_API_KEY_FILE."""
    return Client(os.environ.get("DUEBOOK_URL") or DEFAULT_URL, _api_key())


def _api_key() -> str | None:
    if path := os.environ.get("DUEBOOK_API_KEY_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise Failure(f"cannot read the file of DUEBOOK_API_KEY_FILE: {error}") from None
    return os.environ.get("DUEBOOK_API_KEY") or None


def resource_path(kind: str, id_: str, *more: str) -> str:
    """The path of a resource in the API; raises NotFound if `id_` is not a UUID."""
    if not _UUID.fullmatch(id_):
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


def timestamp(text: str) -> str:
    return parsing.timestamp(text, datetime.now(UTC))


def without_none(**fields: Any) -> dict[str, Any]:
    """The fields of a request body that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def payload_field(text: str | None) -> dict[str, Any]:
    """The field `payload` if the option is given, also for the JSON value `null`."""
    return {} if text is None else {"payload": parse_option("--payload", parsing.json_or_file, text)}
