"""Flags that many commands take, and the API that they speak to."""

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

Output = Annotated[Format, typer.Option("--output", "-o", help="How to print it.")]
Limit = Annotated[int, typer.Option(min=1, help="At most that many.")]
Reason = Annotated[str | None, typer.Option(help="Why, for the history.")]
MustReason = Annotated[str, typer.Option(help="Why, for the history.")]
Key = Annotated[str | None, typer.Option(help="Repeating the command with the same key does it once.")]


def connect() -> Client:
    """The API that DUEBOOK_URL names, with the key in DUEBOOK_API_KEY or in the file of DUEBOOK_API_KEY_FILE."""
    return Client(os.environ.get("DUEBOOK_URL") or DEFAULT_URL, _key())


def _key() -> str | None:
    if path := os.environ.get("DUEBOOK_API_KEY_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise Failure(f"cannot read the file that DUEBOOK_API_KEY_FILE names: {error}") from None
    return os.environ.get("DUEBOOK_API_KEY") or None


def path(kind: str, id_: str, *more: str) -> str:
    """Where the API has it; raises NotFound for what cannot be an id."""
    if not _UUID.fullmatch(id_):
        raise NotFound(f"there is no {kind.replace('-', ' ')} {id_!r}; an id looks like {_EXAMPLE}")
    return "/".join(["/api", kind, id_, *more])


_EXAMPLE = "01a2b3c4-0000-7000-8000-000000000000"


def parsed(flag: str, parse: Callable[[str], T], text: str | None) -> T | None:
    """A flag's text as the API takes it; a wrong one is a usage error that names the flag."""
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None


def moment(text: str) -> str:
    return parsing.moment(text, datetime.now(UTC))


def sendable_key(key: str | None) -> str | None:
    """The Idempotency-Key as a header may carry it."""
    if key is not None and not (key and key.isascii() and key.isprintable()):
        raise typer.BadParameter("a key has 1 to 255 printable ASCII characters", param_hint="--idempotency-key")
    return key


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given at all."""
    return {name: value for name, value in fields.items() if value is not None}
