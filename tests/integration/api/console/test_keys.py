"""The pages of keys and of the audit."""

import re

from support.api_app import Api
from support.api_keys import FIRST, add_key
from support.console import get, sign_in, submit

HOSTILE = "</script><img src=x onerror=alert(1)>"
SECRET = re.compile(r"sk_[0-9a-f]{16}_[\w-]{43}")


async def test_a_key_is_made_shown_once_and_revoked(guarded: Api) -> None:
    await sign_in(guarded, FIRST)
    assert "There is no key yet" in await get(guarded, "/console/keys")
    await get(guarded, "/console/keys/new")
    answer = await submit(guarded, "/console/keys/new", **{"name": HOSTILE, "scope-read": "true", "expires_in": "P7D"})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    [secret] = set(SECRET.findall(answer.text))
    page = await get(guarded, "/console/keys")
    assert secret not in page
    assert "1 active key; 1 of them was never used." in page
    assert "<img" not in page + answer.text
    key_id = secret.split("_")[1]
    await get(guarded, f"/console/keys/{key_id}/revoke")
    assert (await submit(guarded, f"/console/keys/{key_id}/revoke", reason="left")).status_code == 303
    assert "0 active keys." in await get(guarded, "/console/keys")
    audit = await get(guarded, "/console/keys/audit")
    assert "Key made" in audit
    assert "“left”" in audit
    assert "No key matches" in await get(guarded, "/console/keys?status=active")


async def test_a_form_that_is_refused_says_why_and_keeps_its_fields(guarded: Api) -> None:
    await sign_in(guarded, FIRST)
    answer = await submit(guarded, "/console/keys/new", name="kept")
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert 'value="kept"' in answer.text


async def test_no_form_gives_a_scope_that_the_session_does_not_have(guarded: Api) -> None:
    await sign_in(guarded, (await add_key(guarded, "keys"))["authorization"].removeprefix("Bearer "))
    form = await get(guarded, "/console/keys/new")
    assert "scope-write" not in form
    answer = await submit(guarded, "/console/keys/new", **{"name": "more", "scope-write": "true"})
    assert answer.status_code == 403
    assert (await submit(guarded, "/console/keys/none/revoke")).status_code == 404
