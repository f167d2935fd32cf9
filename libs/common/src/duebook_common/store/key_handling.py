"""Making and revoking API keys: each is an event, and a row by which requests are authenticated.

The rows are an operational table, not a read model: the log has no hash.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from duebook_common.domain.key import KeyMade, KeyRevoked, stream
from duebook_common.runtime.api_keys import NewKey
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import TRIES, Conflict
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import PERMANENT, Write, append

MOST_KEYS = 1_000

_STATE = """
CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= clock_timestamp() THEN 'expired' ELSE 'active' END
"""
KEYS = f"""
SELECT key_id, name, scopes, created_at, created_by, expires_at, last_used_at, revoked_at, {_STATE} AS status FROM keys
"""  # noqa: S608
IS_ACTIVE = "revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())"
_COUNT = f"SELECT count(*) FROM (SELECT FROM keys WHERE {IS_ACTIVE} LIMIT $1) AS active"  # noqa: S608
_NOW = "SELECT clock_timestamp() AS now, clock_timestamp() + $1::interval AS expires_at"
_INSERT = """
INSERT INTO keys (key_id, name, hash, scopes, created_at, created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_VERSION = "SELECT max(version) FROM events WHERE stream = $1"
_REVOKE = "UPDATE keys SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL"
_IS_REVOKED = """
SELECT EXISTS (SELECT FROM keys WHERE key_id = substring($1 FROM '^key:(.*)$') AND revoked_at IS NOT NULL)
"""
# At most once a minute for each key, over all copies of the api.
_USED = """
UPDATE keys SET last_used_at = clock_timestamp() WHERE key_id = ANY($1::text[])
AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute')
"""


class TooManyKeys(Exception):
    """There are as many active keys as there may be."""


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """What a new key is to be. Without `lifetime` it does not expire."""

    name: str
    scopes: Sequence[str]
    lifetime: timedelta | None = None


async def add_key(pool: Pool, request: KeyRequest, key: NewKey, actor: Actor) -> Any:
    """Record and store a new key; returns its row. Raises TooManyKeys."""
    async with transaction(pool) as db:
        times = await db.fetchrow(_NOW, request.lifetime)
        assert times is not None
        now, expires_at = times
        if await db.fetchval(_COUNT, MOST_KEYS) >= MOST_KEYS:
            raise TooManyKeys
        scopes = sorted(set(request.scopes))
        made = KeyMade(key_id=key.id, name=request.name, scopes=tuple(scopes), expires_at=expires_at, at=now)
        await append(db, [Write(stream(key.id), 0, [made], None, meta=actor.meta(), born=PERMANENT)])
        await db.execute(_INSERT, key.id, request.name, key.hash, scopes, now, actor.name, expires_at)
        return await _row(db, key.id)


async def revoke_key(pool: Pool, key_id: str, reason: str | None, actor: Actor) -> Any:
    """Revoke a key for ever; returns its row, None if there is none. A repeat changes nothing."""
    for _ in range(TRIES):
        async with transaction(pool) as db:
            row = await _row(db, key_id)
            if row is None or row["revoked_at"] is not None:
                return row
            now = await db.fetchval("SELECT clock_timestamp()")
            revoked = KeyRevoked(key_id=key_id, name=row["name"], reason=reason, at=now)
            version = await db.fetchval(_VERSION, stream(key_id)) or 0
            if not await append(
                db, [Write(stream(key_id), version, [revoked], None, meta=actor.meta(), born=PERMANENT)]
            ):
                await db.execute(_REVOKE, key_id, now)
                return await _row(db, key_id)
    raise Conflict(f"the key {key_id} kept changing while it was revoked")


async def is_revoked(db: Connection, actor: str) -> bool:
    """Whether the actor of this name is a key that was revoked."""
    return bool(await db.fetchval(_IS_REVOKED, actor))


async def note_use(db: Connection, key_ids: Iterable[str]) -> None:
    """Note that these keys were used, unless that was noted within the last minute."""
    await db.execute(_USED, sorted(key_ids))


async def _row(db: Connection, key_id: str) -> Any:
    return await db.fetchrow(f"{KEYS} WHERE key_id = $1", key_id)
