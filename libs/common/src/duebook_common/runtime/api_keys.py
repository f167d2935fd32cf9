"""What an API key looks like: an id, by which the server finds it, and a secret, of which it keeps a hash."""

import secrets
from hashlib import sha256
from typing import NamedTuple


class NewKey(NamedTuple):
    """A key that was made just now. `text` is what its holder sends, and is not kept."""

    id: str
    text: str
    hash: bytes


def make_key(key_id: str, secret: str) -> tuple[str, bytes]:
    """The key as the client sends it, and its hash, which the database stores."""
    key = f"sk_{key_id}_{secret}"
    return key, sha256(key.encode()).digest()


def new_key() -> NewKey:
    """A key with 256 random bits."""
    key_id = secrets.token_hex(8)
    return NewKey(key_id, *make_key(key_id, secrets.token_urlsafe(32)))
