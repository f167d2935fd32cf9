"""`GET /api/whoami`: the key that was sent, as the server knows it."""

from datetime import timedelta

from support.api_app import running_api
from support.api_keys import FIRST, add_key


async def test_a_key_learns_its_name_its_scopes_and_when_it_expires(postgres_url: str) -> None:
    async with running_api(postgres_url, key=FIRST) as api:
        headers = await add_key(api, "runs:read", "jobs:read")
        await api.deps.pool.execute("UPDATE keys SET expires_at = now() + $1", timedelta(hours=1))
        shown = await api.json(200, "GET", "/api/whoami", **headers)
        assert (shown["name"], shown["scopes"], shown["auth"]) == ("test", ["jobs:read", "runs:read"], "required")
        assert shown["actor"] == f"key:{shown['key_id']}"
        assert shown["expires_at"] is not None


async def test_the_first_key_has_the_name_of_its_variable(postgres_url: str) -> None:
    async with running_api(postgres_url, key=FIRST) as api:
        shown = await api.json(200, "GET", "/api/whoami", authorization=f"Bearer {FIRST}")
        assert shown == {
            "actor": "key:first", "key_id": None, "name": "DUEBOOK_API_KEY", "scopes": ["*"], "expires_at": None,
            "auth": "required",
        }  # fmt: skip


async def test_without_keys_every_caller_is_anonymous_and_may_do_everything(postgres_url: str) -> None:
    async with running_api(postgres_url) as api:
        shown = await api.json(200, "GET", "/api/whoami")
        assert (shown["actor"], shown["scopes"], shown["auth"]) == ("anonymous", ["*"], "off")
