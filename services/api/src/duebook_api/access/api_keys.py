"""Who asks: a key from the environment, or one from the table of keys."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from duebook_common.runtime.scopes import EVERYTHING
from duebook_common.store.database import Pool, acquire

_ISSUED = re.compile(r"sk_([A-Za-z0-9]{1,64})_[A-Za-z0-9_-]{1,256}", re.ASCII)
_KEY = """
SELECT hash, scopes FROM keys
WHERE key_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
_REMEMBERED_SECONDS, _REMEMBERED = 2.0, 1_000


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever has a key, by the name that events bear, and what the key may do."""

    name: str
    scopes: frozenset[str]


class ApiKeys:
    """Tells the holder of a bearer token; `first` is the key from the environment."""

    def __init__(self, pool: Pool, first: str | None) -> None:
        self._pool = pool
        self._first = sha256(first.encode()).digest() if first else None
        self._known: dict[bytes, tuple[float, Principal]] = {}

    async def authenticate(self, token: str) -> Principal | None:
        """The holder of the key that the token is, or None; a revoked or expired one may pass for two more seconds."""
        digest = sha256(token.encode()).digest()
        if self._first is not None and compare_digest(digest, self._first):
            return Principal("key:first", EVERYTHING)
        until, holder = self._known.get(digest, (0.0, None))
        if until > time.monotonic():
            return holder
        return await self._look_up(token, digest)

    async def _look_up(self, token: str, digest: bytes) -> Principal | None:
        issued = _ISSUED.fullmatch(token)
        if issued is None:
            return None
        async with acquire(self._pool) as db:
            row: Any = await db.fetchrow(_KEY, issued[1])
        if not compare_digest(digest, row["hash"] if row else b"\0" * 32):
            return None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        holder = Principal(f"key:{issued[1]}", frozenset(row["scopes"]))
        self._known[digest] = (time.monotonic() + _REMEMBERED_SECONDS, holder)
        return holder


def bearer(headers: Sequence[str]) -> str | None:
    """The token in the one Authorization header; of several, a proxy may have judged another than we would."""
    scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
    return token.strip() or None if scheme.lower() == "bearer" else None
