"""The addresses in mails: those under which a reader reaches the console, behind a reverse proxy too."""

from uuid import UUID

import pytest
from starlette.routing import Match

from duebook_api.console.app import ROUTERS
from duebook_notifier.links import NO_LINKS, Links

RUN = UUID(int=8)


@pytest.mark.parametrize(
    ("public_url", "base_path", "start"),
    [
        ("https://duebook.example.com", "", "https://duebook.example.com"),
        ("https://example.com", "/duebook", "https://example.com/duebook"),
        ("https://example.com/duebook", "/duebook", "https://example.com/duebook"),
        ("https://example.com/a", "/a/duebook", "https://example.com/a/a/duebook"),
    ],
)
def test_a_page_is_behind_the_base_path(public_url: str, base_path: str, start: str) -> None:
    links = Links.to(public_url, base_path, console=True)
    assert links.run(RUN) == f"{start}/console/runs/{RUN}"
    assert links.job(RUN) == f"{start}/console/jobs/{RUN}"
    assert links.group("0f") == f"{start}/console/dead-letters?fingerprint=0f"
    assert links.request("GET", "/api/job", "").startswith(f"GET {start}/api/job ")


def test_without_a_public_url_or_a_console_there_is_no_page() -> None:
    hidden = Links.to("https://example.com", "", console=False)
    assert [hidden.run(RUN), Links.to("", "/duebook", console=True).dead_letters(), NO_LINKS.group("0f")] == [""] * 3
    assert hidden.request("GET", "/api/job", "").startswith("GET https://example.com/api/job ")


def test_each_page_that_a_mail_links_to_is_one_of_the_console() -> None:
    links = Links("https://duebook.example.com")
    routes = [route for router in ROUTERS for route in router.routes]
    for page in (links.run(RUN), links.job(RUN), links.group("0f"), links.dead_letters()):
        path = page.partition("/console")[2].partition("?")[0]
        scope = {"type": "http", "method": "GET", "path": path}
        assert any(route.matches(scope)[0] is Match.FULL for route in routes), page
