"""API keys for tests of the api in this process."""

from uuid import uuid4

from duebook_common.runtime.api_keys import make_key
from support.api_app import Api

FIRST = "first-secret"


async def add_key(api: Api, *scopes: str) -> dict[str, str]:
    """The header of a new key."""
    key_id = uuid4().hex[:16]
    key, hash_ = make_key(key_id, "secret")
    add = "INSERT INTO keys (key_id, name, hash, scopes) VALUES ($1, 'test', $2, $3)"
    await api.deps.pool.execute(add, key_id, hash_, scopes)
    return {"authorization": f"Bearer {key}"}
