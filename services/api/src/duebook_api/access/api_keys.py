"""API keys: one from the environment, the others from the table of keys."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from duebook_common.runtime.scopes import EVERYTHING
from duebook_common.store.database import UNAVAILABLE, Pool, acquire
from duebook_common.store.key_handling import note_use

_ISSUED = re.compile(r"sk_([A-Za-z0-9]{1,64})_[A-Za-z0-9_-]{1,256}", re.ASCII)
_KEY = """
SELECT hash, scopes, name, expires_at FROM keys
WHERE key_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
_CACHE_SECONDS, _CACHE_SIZE = 1.0, 1_000
_UNKNOWN: tuple[float, None] = (0.0, None)


@dataclass(frozen=True, slots=True)
class Principal:
    """The sender of a request: its name in events, and the scopes of its key.

    `key_id`, `title` and `expires_at` are those of a key of the table; other senders have a title only.
    """

    name: str
    scopes: frozenset[str]
    title: str = "anonymous"
    key_id: str | None = None
    expires_at: datetime | None = None


FIRST_KEY = Principal("key:first", EVERYTHING, "DUEBOOK_API_KEY")
NO_KEYS = Principal("anonymous", EVERYTHING)  # DUEBOOK_AUTH=off


class ApiKeys:
    """Authenticates bearer tokens; `first` is the key from the environment."""

    def __init__(self, pool: Pool, first: str | None) -> None:
        self._pool = pool
        self._first = sha256(first.encode()).digest() if first else None
        self._cache: dict[bytes, tuple[float, Principal]] = {}  # by the digest of the token, until a monotonic time
        self._used = set[str]()  # ids of keys, since that was noted last

    async def authenticate(self, token: str) -> Principal | None:
        """The principal, or None for an invalid token; a key stays valid up to 1 s after it was revoked or expired."""
        return await self.principal(self.id_of(token), sha256(token.encode()).digest())

    async def principal(self, key_id: str | None, digest: bytes) -> Principal | None:
        """The principal of the key that has this id, None for the first key, and this hash."""
        if self._first is not None and compare_digest(digest, self._first):
            return FIRST_KEY
        until, principal = self._cache.get(digest, _UNKNOWN)
        if until <= time.monotonic():
            principal = None if key_id is None else await self._look_up(key_id, digest)
        if principal is not None and principal.key_id is not None:
            self._used.add(principal.key_id)
        return principal

    def forget(self, key_id: str) -> None:
        """Look the key up anew at its next request: it was revoked by this process."""
        self._cache = {digest: each for digest, each in self._cache.items() if each[1].key_id != key_id}

    async def note_use(self) -> int:
        """Record which keys were used since the last call; a failed record is made with the next one."""
        if used := set(self._used):
            async with acquire(self._pool) as db:
                await note_use(db, used)
            self._used -= used
        return 0

    def id_of(self, token: str) -> str | None:
        """The id of the key, if the token has the form of one that was issued."""
        issued = _ISSUED.fullmatch(token)
        return None if issued is None else issued[1]

    async def accepts(self, token: str) -> bool:
        """Whether a token that was valid is so still. An outage of the database ends nothing."""
        try:
            return await self.authenticate(token) is not None
        except UNAVAILABLE:
            return True

    async def _look_up(self, key_id: str, digest: bytes) -> Principal | None:
        async with acquire(self._pool) as db:
            row: Any = await db.fetchrow(_KEY, key_id)
        if not compare_digest(digest, row["hash"] if row else b"\0" * 32):
            return None
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        principal = Principal(f"key:{key_id}", frozenset(row["scopes"]), row["name"], key_id, row["expires_at"])
        self._cache[digest] = (time.monotonic() + _CACHE_SECONDS, principal)
        return principal


def bearer(headers: Sequence[str]) -> str | None:
    """The token of the only Authorization header. Of several none counts: a proxy may have checked another one."""
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    return token.strip() or None if scheme.lower() == "bearer" else None
