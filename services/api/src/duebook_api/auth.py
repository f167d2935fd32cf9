"""Who asks: a key from the environment, or one from the table of keys."""

import re
import time
from hashlib import sha256
from hmac import compare_digest

from duebook_common.database import Pool, acquire

_ISSUED = re.compile(r"sk_([A-Za-z0-9]{1,64})_[A-Za-z0-9_-]{1,256}", re.ASCII)
_KEY = "SELECT hash FROM keys WHERE key_id = $1 AND revoked_at IS NULL"
_REMEMBERED_SECONDS, _REMEMBERED = 2.0, 1_000


class Keys:
    """Tells the actor of a bearer token; `first` is the key from the environment."""

    def __init__(self, pool: Pool, first: str | None) -> None:
        self._pool = pool
        self._first = sha256(first.encode()).digest() if first else None
        self._known: dict[bytes, tuple[float, str]] = {}

    async def actor_of(self, token: str) -> str | None:
        """The name of the key that the token is, or None; a revoked one may pass for two more seconds."""
        digest = sha256(token.encode()).digest()
        if self._first is not None and compare_digest(digest, self._first):
            return "key:first"
        until, name = self._known.get(digest, (0.0, ""))
        if until > time.monotonic():
            return name
        return await self._look_up(token, digest)

    async def _look_up(self, token: str, digest: bytes) -> str | None:
        issued = _ISSUED.fullmatch(token)
        if issued is None:
            return None
        async with acquire(self._pool) as db:
            stored: bytes | None = await db.fetchval(_KEY, issued[1])
        if not compare_digest(digest, stored or b"\0" * 32):
            return None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        name = f"key:{issued[1]}"
        self._known[digest] = (time.monotonic() + _REMEMBERED_SECONDS, name)
        return name


def bearer(header: str | None) -> str | None:
    """The token in an Authorization header."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
