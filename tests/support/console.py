"""Pages of the console as a browser asks for them, and what stands in them."""

import re
from collections.abc import Iterator
from hashlib import sha256
from html import unescape

import httpx2

from duebook_common.store.database import Pool
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


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the form, as a browser would send them."""
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page)}


async def make_key(pool: Pool, *scopes: str) -> str:
    """A key with these scopes."""
    key = "sk_of_a_test_secret"
    statement = "INSERT INTO keys (key_id, name, hash, scopes) VALUES ('of', 'a key', $1, $2)"
    await pool.execute(statement, sha256(key.encode()).digest(), list(scopes))
    return key
