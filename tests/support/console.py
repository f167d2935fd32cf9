"""Pages of the console as a browser asks for them, and what stands in them."""

import re
from collections.abc import Iterator
from html import unescape

import httpx2

from support.api_app import Api

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
_LINK = re.compile(r'\s(?:href|src|action)="([^"]*)"')


async def get(api: Api, path: str, status: int = 200) -> str:
    """The page; its status is asserted."""
    answer = await api.http.get(path)
    assert answer.status_code == status, (path, answer.status_code, answer.text[-2000:])
    return answer.text


async def submit(api: Api, path: str, **fields: str) -> httpx2.Response:
    """Send a form, as a page of the console would."""
    return await api.http.post(path, data=fields, headers=FORM)


def links(page: str) -> Iterator[str]:
    """The paths that the page leads to, without fragments."""
    for link in _LINK.findall(page):
        path = unescape(link).partition("#")[0]
        if path:
            yield path


async def sign_in(api: Api, key: str) -> None:
    """From here on the client has the cookie of a session."""
    answer = await submit(api, "/console/sign-in", key=key, next="/console")
    assert answer.status_code == 303, answer.text
