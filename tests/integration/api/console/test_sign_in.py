"""Sessions: a key becomes a cookie, which ends with the key, and no other site can use it."""

from hashlib import sha256
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from duebook_api.access import api_keys, sessions
from duebook_api.console.routes import session
from duebook_api.console.routes.session import _is_secure
from duebook_common.store.database import Pool
from support.api_app import Api
from support.api_keys import FIRST
from support.console import FORM, get, hidden, links, make_key, sign_in, submit

NO_ID = "00000000-0000-7000-8000-000000000000"


async def test_a_page_leads_to_the_sign_in_and_back(guarded: Api) -> None:
    answer = await guarded.http.get("/console/jobs?status=paused")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/console/sign-in?next=/console/jobs%3Fstatus%3Dpaused",
    )
    page = await get(guarded, answer.headers["location"])
    assert 'name="next" value="/console/jobs?status=paused"' in page
    done = await submit(guarded, "/console/sign-in", key=f" {FIRST} ", next="/console/jobs?status=paused")
    assert (done.status_code, done.headers["location"]) == (303, "/console/jobs?status=paused")
    assert (await guarded.http.get("/console")).status_code == 200


async def test_what_was_typed_is_sent_again_after_the_session_has_ended(guarded: Api) -> None:
    fields = {"name": "nightly <&>", "kind": "cron", "rule": "0 2 * * *", "timezone": "UTC", "payload": '{\n"n": 1}'}
    refused = await submit(guarded, "/console/new-job", **fields)
    assert refused.status_code == 401
    assert hidden(refused.text) == fields
    await sign_in(guarded, FIRST)
    done = await submit(guarded, "/console/new-job", **hidden(refused.text))
    assert "nightly &lt;&amp;&gt;" in await get(guarded, done.headers["location"])


async def test_the_page_of_an_ended_session_says_what_it_would_send(guarded: Api) -> None:
    refused = await submit(guarded, "/console/new-job?copy=1", name="<b>nightly</b>", payload="x" * 900, once="c0ffee")
    assert '<dd class="user-text">&lt;b&gt;nightly&lt;/b&gt;</dd>' in refused.text
    assert "/console/new-job?copy=1</code>" in refused.text
    assert f"{'x' * 499}…</dd>" in refused.text
    assert '<dt class="user-text">once' not in refused.text
    assert "a key that has the scope <code>jobs:write</code>" in refused.text


@pytest.mark.parametrize(
    "path", [f"/console/jobs/{NO_ID}/delete", f"/console/runs/{NO_ID}/erase", "/console/keys/k/revoke"]
)
async def test_what_needs_a_dialog_leads_to_it_again(guarded: Api, path: str) -> None:
    refused = await submit(guarded, path, reason="<why>")
    assert refused.status_code == 401
    assert "&lt;why&gt;" in refused.text
    assert "<form" not in refused.text
    assert f"/console/sign-in?next={quote(path, safe='')}" in links(refused.text)


async def test_a_form_that_is_too_large_to_keep_is_left_with_the_browser(guarded: Api) -> None:
    refused = await submit(guarded, "/console/new-job", name="n", payload='{"' * 30_000)
    assert refused.status_code == 401
    assert "load this page again" in refused.text
    assert "/console/sign-in" in links(refused.text)


async def test_a_link_of_another_site_is_followed_once_more_from_this_one(guarded: Api) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    path = "/console/sign-in?next=/console/jobs%3Fq%3D%2522%253B"
    page = (await guarded.http.get(path, headers=headers)).text
    [again] = set(links(page)) - {each for each in links(page) if "/static/" in each}
    assert f'content="0; url={again.replace("&", "&amp;")}"' in page
    assert 'name="next" value="/console/jobs?q=%22%3B"' in (await guarded.http.get(again, headers=headers)).text
    assert 'name="next"' in (await guarded.http.get(path, headers={"sec-fetch-site": "same-origin"})).text


async def test_the_cookie_is_for_this_site_only_and_secure_beyond_loopback(guarded: Api) -> None:
    cookie = (await submit(guarded, "/console/sign-in", key=FIRST)).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=43200" in cookie
    assert "secure" not in cookie
    answer = await guarded.http.post(
        "/console/sign-in", data={"key": FIRST}, headers=FORM | {"host": "duebook.example.com"}
    )
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_the_database_has_no_token(guarded: Api, pool: Pool) -> None:
    await sign_in(guarded, FIRST)
    token = guarded.http.cookies["duebook_session"]
    rows = await pool.fetch("SELECT token_hash, key_hash FROM sessions")
    assert [row["token_hash"] for row in rows] == [sha256(token.encode()).digest()]


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/api/job", "/console/..//evil", "/console\\x"]
)
async def test_the_sign_in_leads_nowhere_else(guarded: Api, target: str) -> None:
    done = await submit(guarded, "/console/sign-in", key=FIRST, next=target)
    assert done.headers["location"] == "/console"


async def test_a_wrong_key_is_refused_and_after_ten_the_address_waits(
    guarded: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: 1_000.0))  # a try is free each six seconds
    for _ in range(10):
        assert (await submit(guarded, "/console/sign-in", key="wrong")).status_code == 401
    answer = await submit(guarded, "/console/sign-in", key=FIRST)
    assert answer.status_code == 429
    assert "Try again in" in answer.text


async def test_a_session_ends_with_its_key_and_by_signing_out(
    guarded: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sessions", "api_keys"):
        monkeypatch.setattr(f"duebook_api.access.{module}._CACHE_SECONDS", -1.0)
    await sign_in(guarded, await make_key(pool, "read"))
    await get(guarded, "/console")
    await pool.execute("UPDATE keys SET revoked_at = now()")
    assert (await guarded.http.get("/console")).status_code == 303
    await sign_in(guarded, FIRST)
    await get(guarded, "/console")
    token = guarded.http.cookies["duebook_session"]
    await submit(guarded, "/console/sign-out")
    answer = await guarded.http.get("/console", headers={"cookie": f"duebook_session={token}"})
    assert answer.status_code == 303


async def test_a_revoked_key_ends_its_sessions_at_once_and_elsewhere_after_a_second(
    guarded: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    for module in (sessions, api_keys):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))
    for revoked_here in (True, False):
        await pool.execute("DELETE FROM keys")
        await sign_in(guarded, await make_key(pool, "read"))
        now += 0.9
        await get(guarded, "/console")
        if revoked_here:
            await guarded.json(200, "POST", "/api/key/of/revoke", authorization=f"Bearer {FIRST}")
        else:
            await pool.execute("UPDATE keys SET revoked_at = now()")
            now += 1.0
        assert (await guarded.http.get("/console")).status_code == 303


@pytest.mark.parametrize(
    ("public_url", "host", "secure"),
    [
        ("https://duebook.example.com", "localhost:8000", True),
        ("http://duebook.example.com", "duebook.example.com", False),
        ("", "localhost:8000", False),
        ("", "duebook.example.com", True),
    ],
)
def test_the_cookie_is_secure_where_people_use_https(public_url: str, host: str, *, secure: bool) -> None:
    assert _is_secure(public_url, host) is secure


async def test_an_expired_session_ends(guarded: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duebook_api.access.sessions._CACHE_SECONDS", -1.0)
    await sign_in(guarded, FIRST)
    await pool.execute("UPDATE sessions SET expires_at = now()")
    assert (await guarded.http.get("/console")).status_code == 303


async def test_a_session_is_no_key_of_the_api(guarded: Api) -> None:
    await sign_in(guarded, FIRST)
    assert (await guarded.http.get("/api/job")).status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
    ],
)
async def test_a_form_of_another_site_changes_nothing(guarded: Api, headers: dict[str, str]) -> None:
    await sign_in(guarded, FIRST)
    form = {"content-type": FORM["content-type"]}
    answer = await guarded.http.post("/console/sign-out", headers=form | headers)
    assert answer.status_code == 403
    await get(guarded, "/console")


async def test_a_form_of_the_same_origin_is_taken_without_fetch_metadata(guarded: Api) -> None:
    form = {"content-type": FORM["content-type"], "origin": "http://localhost"}
    answer = await guarded.http.post("/console/sign-in", data={"key": FIRST}, headers=form)
    assert answer.status_code == 303


async def test_a_key_without_the_scope_of_a_page_is_named_it(guarded: Api, pool: Pool) -> None:
    await sign_in(guarded, await make_key(pool, "runs:read"))
    assert "jobs:read" in await get(guarded, "/console/jobs", 403)


async def test_a_reader_who_may_not_see_the_overview_starts_at_another_page(guarded: Api, pool: Pool) -> None:
    await sign_in(guarded, await make_key(pool, "jobs:read"))
    assert (await guarded.http.get("/console")).headers["location"] == "/console/jobs"


async def test_a_form_without_a_key_is_small(api: Api) -> None:
    assert (await submit(api, "/console/sign-in", key="x" * 20_000)).status_code == 413
    assert (await submit(api, "/console/sign-in", **{f"f{n}": "" for n in range(301)})).status_code == 422


async def test_a_key_has_no_more_than_so_many_sessions(guarded: Api, pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO sessions (token_hash, key_hash, expires_at)"
        " SELECT int4send(n), $1, now() + n * interval '1 minute' FROM generate_series(1, 120) AS n",
        sha256(FIRST.encode()).digest(),
    )
    await sign_in(guarded, FIRST)
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 100
    assert (await guarded.http.get("/console")).status_code == 200
