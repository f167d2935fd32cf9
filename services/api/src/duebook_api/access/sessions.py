"""Sessions of the console: a key, pasted once, becomes a cookie.

The database has only the hash of a session's token. A session ends after 12 hours, when its reader signs out, and when
its key is revoked, expires or, if it is the first key, is no longer in the environment.
"""

import secrets
import time
from datetime import timedelta
from hashlib import sha256
from typing import Any

from duebook_api.access.api_keys import ApiKeys, Principal
from duebook_common.store.database import UNAVAILABLE, Pool, acquire, transaction

LIFETIME = timedelta(hours=12)
_CACHE_SECONDS, _CACHE_SIZE = 1.0, 1_000
_LONGEST_TOKEN = 100
_FORGET = "DELETE FROM sessions WHERE expires_at < now()"
_OPEN = "INSERT INTO sessions (token_hash, key_id, key_hash, expires_at) VALUES ($1, $2, $3, now() + $4::interval)"
_FIND = "SELECT key_id, key_hash FROM sessions WHERE token_hash = $1 AND expires_at > now()"
_MOST_OF_KEY = 100
_CLOSE_OLDEST = f"""
DELETE FROM sessions WHERE token_hash IN (
    SELECT token_hash FROM sessions WHERE key_hash = $1 ORDER BY expires_at DESC OFFSET {_MOST_OF_KEY}
)
"""  # noqa: S608
_CLOSE = "DELETE FROM sessions WHERE token_hash = $1"

_Key = tuple[str | None, bytes]  # the id, None for the first key, and the hash


class Sessions:
    """Opens, authenticates and closes sessions."""

    def __init__(self, pool: Pool, keys: ApiKeys) -> None:
        self._pool, self._keys = pool, keys
        self._cache: dict[bytes, tuple[float, _Key]] = {}  # by the token's hash, until a monotonic time

    async def open(self, key: str) -> str | None:
        """The token of a new session, or None for an invalid key. The oldest session ends if the key has too many."""
        if await self._keys.authenticate(key) is None:
            return None
        token = secrets.token_urlsafe(32)
        async with transaction(self._pool) as db:
            await db.execute(_FORGET)
            await db.execute(_OPEN, _hash(token), self._keys.id_of(key), _hash(key), LIFETIME)
            await db.execute(_CLOSE_OLDEST, _hash(key))
        return token

    async def authenticate(self, token: str) -> Principal | None:
        """The principal of the session's key; None if the session has ended.

        The end of the session, or of its key, is noticed at once in the process that caused it, elsewhere up to 1 s
        late.
        """
        if len(token) > _LONGEST_TOKEN:
            return None
        key = await self._key_of(_hash(token))
        return None if key is None else await self._keys.principal(*key)

    async def accepts(self, token: str) -> bool:
        """Whether a session that was valid is so still. An outage of the database ends nothing."""
        try:
            return await self.authenticate(token) is not None
        except UNAVAILABLE:
            return True

    async def close(self, token: str) -> None:
        self._cache.pop(_hash(token), None)
        async with acquire(self._pool) as db:
            await db.execute(_CLOSE, _hash(token))

    async def _key_of(self, digest: bytes) -> _Key | None:
        cached = self._cache.get(digest)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        async with acquire(self._pool) as db:
            row: Any = await db.fetchrow(_FIND, digest)
        if row is None:
            return None  # not cached: tokens that were made up must not push the others out
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        key = (row["key_id"], row["key_hash"])
        self._cache[digest] = (time.monotonic() + _CACHE_SECONDS, key)
        return key


def _hash(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()
