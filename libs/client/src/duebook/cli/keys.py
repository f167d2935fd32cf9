"""`duebook key`: the keys that the API lets in, in the database itself, so that a first one can be made."""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any

import typer

from duebook.cli import output
from duebook.cli.failures import NotFound
from duebook.cli.integrity import on_books
from duebook.cli.options import Output, parsed
from duebook.cli.output import Format
from duebook.cli.parsing import duration
from duebook_common.runtime.scopes import Scope, unknown
from duebook_common.store.database import Pool

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, list and revoke the API's keys.")

_LONGEST = timedelta(days=36_500)  # the books take times that no program could read back
_COLUMNS = ("key_id", "name", "scopes", "created_at", "expires_at", "revoked_at")
_INSERT = "INSERT INTO keys (key_id, name, hash, scopes, expires_at) VALUES ($1, $2, $3, $4, now() + $5::interval)"
_LIST = "SELECT key_id, name, scopes, created_at, expires_at, revoked_at FROM keys ORDER BY created_at, key_id"
_REVOKE = "UPDATE keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = $1 RETURNING key_id"


def issue(key_id: str, secret: str) -> tuple[str, bytes]:
    """The key as its owner sends it, and what is kept of it."""
    key = f"sk_{key_id}_{secret}"
    return key, sha256(key.encode()).digest()


def _lasting(text: str) -> timedelta:
    """How long a key is good for; raises ValueError."""
    value = duration(text)
    if not timedelta(0) < value <= _LONGEST:
        raise ValueError(f"a key is good for more than nothing and at most {_LONGEST.days}d")
    return value


@app.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="Whose it is, or what for.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; may be repeated. `*` is everything.")],
    expires: Annotated[
        str | None, typer.Option(help="How long it is good for: 90d. Without it, until it is revoked.")
    ] = None,
    form: Output = Format.TABLE,
) -> None:
    """Make a key and print it: this once, since only its hash is kept."""
    if not name.strip() or not name.isprintable():
        raise typer.BadParameter("this must be printable text", param_hint="--name")
    lasting = parsed("--expires", _lasting, expires)
    key_id = secrets.token_hex(8)
    key, hash_ = issue(key_id, secrets.token_urlsafe(32))
    on_books(lambda pool: pool.execute(_INSERT, key_id, name, hash_, scope, lasting))
    if form is Format.JSON:
        output.show_json({"key_id": key_id, "name": name, "scopes": scope, "key": key})
    else:
        output.write(key)
    output.say("this key is shown only now; it is sent as: Authorization: Bearer KEY")


@app.command("list")
def list_keys(form: Output = Format.TABLE) -> None:
    """List keys, oldest first, revoked ones too."""
    rows = on_books(_fetch)
    output.show_list([_view(row) for row in rows], _COLUMNS, form)
    for row in rows:
        if (words := unknown(row["scopes"])) and row["revoked_at"] is None:
            output.say(f"key {row['key_id']} has words that are no scopes and allow nothing: {', '.join(words)}")


async def _fetch(pool: Pool) -> list[Any]:
    return list(await pool.fetch(_LIST))


def _view(row: Any) -> dict[str, Any]:
    times = {
        name: row[name] and f"{row[name]:%Y-%m-%dT%H:%M:%SZ}" for name in ("created_at", "expires_at", "revoked_at")
    }
    return {**row, **times}


@app.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(metavar="KEY_ID", show_default=False)]) -> None:
    """Let a key in no more; the API notices within two seconds."""
    if on_books(lambda pool: pool.fetchval(_REVOKE, key_id)) is None:
        raise NotFound(f"there is no key {key_id!r}; `duebook key list` shows them")
    output.say(f"key {key_id} is revoked")
