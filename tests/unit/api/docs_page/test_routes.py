"""The page of the API's documentation: served by the api itself, and shut against other sites."""

import re
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import cast

import httpx2
import pytest

from duebook_api.app import build
from duebook_api.docs_page.routes import ASSETS
from duebook_api.state.dependencies import Dependencies
from duebook_common.runtime.health import Health

# Of swagger-ui-dist 5.35.0, without the reference to a source map in the style sheet.
PINNED = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "a6a4cf68f069eb89984d5d43644e6a812e749df08d2b1320c6e06e6973847d10",
}


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    app = build(cast("Dependencies", None), Health(), None)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        yield http


async def test_the_page_names_nothing_of_another_server(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/api/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(links) >= 3
    for link in links:
        assert "//" not in link
        asset = await http.get(str(answer.url.join(link)))
        assert (asset.status_code, asset.headers["x-content-type-options"]) == (200, "nosniff"), link
    assert "<script>" not in answer.text  # the policy refuses scripts in the page itself


async def test_an_html_answer_is_neither_framed_nor_sniffed_and_loads_from_its_own_server(
    http: httpx2.AsyncClient,
) -> None:
    headers = (await http.get("/api/docs")).headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["frame-ancestors"], headers["x-frame-options"]) == ("'none'", "DENY")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


async def test_the_page_reads_the_document_beside_it_and_asks_no_validator(http: httpx2.AsyncClient) -> None:
    script = (await http.get("/api/docs/start.js")).text
    assert 'url: "openapi.json"' in script
    assert "validatorUrl: null" in script


@pytest.mark.parametrize("name", PINNED)
def test_the_assets_are_those_of_the_pinned_version(name: str) -> None:
    assert sha256((ASSETS / name).read_bytes()).hexdigest() == PINNED[name]
    assert (ASSETS / "LICENSE").is_file()


async def test_no_other_file_is_served(http: httpx2.AsyncClient) -> None:
    for name in ("LICENSE", "nothing.js", "../routes.py", "%2e%2e/routes.py", "..%2froutes.py"):
        assert (await http.get(f"/api/docs/{name}")).status_code == 404
