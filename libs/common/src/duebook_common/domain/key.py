"""The events of an API key's stream. They hold neither the key nor its hash: a reader of the log must not use it.

The names and fields of the events are the storage format: add fields with defaults, never rename.
"""

from dataclasses import dataclass
from datetime import datetime


def stream(key_id: str) -> str:
    return f"key-{key_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMade:
    """A key was made. Without `expires_at` it is valid until it is revoked."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    expires_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked:
    """A key was revoked, for ever."""

    key_id: str
    name: str
    reason: str | None
    at: datetime


KeyEvent = KeyMade | KeyRevoked
