"""Every page with every scope, empty and full; all links lead somewhere; the headers of the browser's policies."""

import re
from html import unescape

import pytest

from duebook_api.console.app import ROUTERS
from duebook_api.console.guard import is_open_redirect
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import Pool
from support.api_app import Api, running_api
from support.command_lines import faults
from support.console import get, links, make_key, sign_in, walk

HOSTILE = "</script><img src=x onerror=alert(1)> \u202egnp.exe {{7*7}} \U0001f600"


async def _fill(api: Api) -> None:
    await api.create(name="nightly report", recurrence={"cron": "0 2 * * 1-5"}, timezone="Europe/Berlin", tags=["a b"])
    await api.create(name=HOSTILE, payload={"n": 2**60, "x": HOSTILE})
    paused = await api.create(name="paused")
    await api.json(200, "POST", f"/api/job/{paused['id']}/pause", {"reason": HOSTILE})
    await api.dead_letter(HOSTILE, name="dead", payload={"n": 2**60})


async def test_all_links_of_an_empty_installation_lead_somewhere(api: Api) -> None:
    pages = await walk(api.http)
    assert {"/console", "/console/jobs"} <= pages


async def test_all_links_of_a_full_installation_lead_somewhere(api: Api) -> None:
    await _fill(api)
    pages = await walk(api.http)
    assert any(path.startswith("/console/jobs/") for path in pages)


@pytest.mark.parametrize("is_full", [False, True], ids=["empty", "full"])
async def test_every_page_shows_a_command_line_that_exists(api: Api, is_full: bool) -> None:
    if is_full:
        await _fill(api)
    wrong, without = list[str](), set[str]()
    for path in await walk(api.http):
        answer = await api.http.get(path)
        if path.startswith("/console") and answer.headers.get("content-type", "").startswith("text/html"):
            texts = [unescape(text) for text in re.findall(r'data-copy="([^"]*)"', answer.text)]
            for command in (line for text in texts for line in text.splitlines() if line.startswith("duebook ")):
                wrong += faults(command)
            if not texts:
                without.add(path)
    assert wrong == []
    assert without == set()


async def test_no_page_has_markup_of_a_payload_or_inline_code(api: Api) -> None:
    await _fill(api)
    for path in await walk(api.http):
        answer = await api.http.get(path)
        if path.startswith("/console") and answer.headers.get("content-type", "").startswith("text/html"):
            assert not re.search(r"<img|<script>|\sstyle=|\sonclick=", answer.text), path


async def test_a_page_is_not_kept_and_loads_from_its_own_server_only(api: Api) -> None:
    headers = (await api.http.get("/console")).headers
    assert headers["cache-control"] == "no-store"
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert (policy["frame-ancestors"], headers["x-frame-options"]) == ("'none'", "DENY")


async def test_files_are_kept_compressed_and_sniffed_by_none(api: Api) -> None:
    page = await get(api, "/console")
    for path in [each for each in links(page) if "/static/" in each]:
        answer = await api.http.get(path)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert ("content-encoding" in answer.headers) == path.endswith((".css", ".js", ".svg"))


@pytest.mark.parametrize("name", ["nothing.js", "../assets.py", "%2e%2e/assets.py", "vendor/FILES.md"])
async def test_no_other_file_is_served(api: Api, name: str) -> None:
    assert (await api.http.get(f"/console/static/0123456789abcdef/{name}")).status_code == 404


async def test_a_file_of_an_older_release_is_answered_and_not_kept(api: Api) -> None:
    answer = await api.http.get("/console/static/0123456789abcdef/console.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


async def test_the_start_leads_to_the_console_and_unknown_pages_say_so_in_its_look(api: Api) -> None:
    assert (await api.http.get("/")).headers["location"] == "/console"
    page = await get(api, "/console/nothing", 404)
    assert "Not found" in page
    assert 'class="side"' in page


async def test_behind_a_proxy_every_link_has_the_prefix_whether_or_not_it_is_taken_away(postgres_url: str) -> None:
    async with running_api(postgres_url, base_path="/due/book") as api:
        for path in ("/console", "/due/book/console"):
            page = await get(api, path)
            assert all(link.startswith("/due/book/") for link in links(page))
        assert (await api.http.get("/due/book")).headers["location"] == "/due/book/console"


SCOPES = [scope for scope in Scope if scope is not Scope.ALL]


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_reader_of_one_scope_is_shown_no_link_that_is_refused(guarded: Api, pool: Pool, scope: Scope) -> None:
    await sign_in(guarded, await make_key(pool, scope))
    first = await guarded.http.get("/console", follow_redirects=True)
    assert first.status_code in {200, 403}
    for link in links(first.text):
        if link.startswith("/console/") and link != "/console/sign-out" and "/static/" not in link:
            answer = await guarded.http.get(link)
            assert answer.status_code in {200, 303}, (link, answer.status_code)


def test_every_route_of_the_console_names_its_scope() -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    assert [route.path for route in routes if not (route.openapi_extra or {}).get("x-scope")] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "leaves"), [("/console?tz=UTC", False), ("/console/jobs", False), ("/consolex", True)]
)
def test_what_leads_out_of_the_console(path: str, leaves: bool) -> None:
    assert is_open_redirect(path) == leaves
