"""`duebook key`. It writes to the database directly, so that the first key can be created without a key."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.database import operator, utc_text, with_database
from duebook.cli.failures import Failure, NotFound
from duebook.cli.options import Output, Reason, parse_option
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook_common.runtime.api_keys import new_key
from duebook_common.runtime.scopes import MEANINGS, Scope

if TYPE_CHECKING:
    from duebook_common.store.database import Pool

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Create, list and revoke API keys.")

_MAX_LIFETIME = timedelta(days=36_500)  # PostgreSQL stores later times than Python can read
_COLUMNS = ("key_id", "name", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
_LIST = """
SELECT key_id, name, scopes, created_at, created_by, expires_at, last_used_at, revoked_at FROM keys
ORDER BY created_at, key_id
"""
_SCOPES_TEXT = "\n".join(["\b", "A scope lets a key", *(f"  {scope:18}  {text}" for scope, text in MEANINGS.items())])
_TIMES = ("created_at", "expires_at", "last_used_at", "revoked_at")


def _lifetime(text: str) -> timedelta:
    """Parse how long a key is valid; raises ValueError."""
    lifetime = duration(text)
    if not timedelta(0) < lifetime <= _MAX_LIFETIME:
        raise ValueError(f"a key must be valid for more than 0s and at most {_MAX_LIFETIME.days}d")
    return lifetime


@app.command("create", epilog=_SCOPES_TEXT)
def create_key(
    name: Annotated[str, typer.Option(help="The owner or purpose of the key.")],
    scope: Annotated[
        list[Scope], typer.Option(metavar="SCOPE", help="A scope that the key has; may be repeated. `*` grants all.")
    ],
    expires: Annotated[
        str | None, typer.Option(help="How long the key is valid, e.g. 90d. Default: until it is revoked.")
    ] = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Create a key and print it. It cannot be shown again, because only its hash is stored."""
    if not name.strip() or not name.isprintable():
        raise typer.BadParameter("the name must be printable text", param_hint="--name")
    lifetime = parse_option("--expires", _lifetime, expires)
    from duebook_common.store.key_handling import MOST_KEYS, KeyRequest, TooManyKeys, add_key

    key, request = new_key(), KeyRequest(name, [each.value for each in scope], lifetime)
    try:
        with_database(lambda pool: add_key(pool, request, key, operator()))
    except TooManyKeys:
        raise Failure(f"there are {MOST_KEYS:,} keys; revoke some first: `duebook key list`") from None
    if fmt is Format.JSON:
        output.print_json({"key_id": key.id, "name": name, "scopes": scope, "key": key.text})
    else:
        output.print_data(key.text)
    output.print_message("store this key now, it cannot be shown again; send it as: Authorization: Bearer KEY")


@app.command("list")
def list_keys(fmt: Output = Format.TABLE) -> None:
    """List keys, oldest first, including revoked ones."""
    output.print_list([_view(row) for row in with_database(_fetch)], _COLUMNS, fmt)


async def _fetch(pool: "Pool") -> list[Any]:
    return list(await pool.fetch(_LIST))


def _view(row: Any) -> dict[str, Any]:
    times = {name: row[name] and utc_text(row[name]) for name in _TIMES}
    return {**row, **times}


@app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", show_default=False)],
    reason: Reason = None,
    fmt: Output = Format.TABLE,
) -> None:
    """Revoke a key. The API refuses it within a second."""
    from duebook_common.store.key_handling import revoke_key as revoke

    if with_database(lambda pool: revoke(pool, key_id, reason, operator())) is None:
        raise NotFound(f"there is no key {key_id!r}; `duebook key list` shows all keys")
    if fmt is Format.JSON:
        output.print_json({"key_id": key_id, "status": "revoked"})
    output.print_message(f"key {key_id} is revoked")
