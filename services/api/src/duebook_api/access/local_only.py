"""Without keys the api answers this machine only, and no web page of another site.

A browser sends what any page asks for. A page elsewhere is known by its `Origin`; a page whose name was rebound to a
loopback address (DNS rebinding) passes for this server's own, but for the name in `Host`.
"""

import re
from functools import lru_cache
from ipaddress import ip_address

from starlette.datastructures import Headers

from duebook_api.http.problems import Problem

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?", re.IGNORECASE | re.ASCII)
_ORIGIN = re.compile(r"https?://([^/]+)", re.IGNORECASE | re.ASCII)


def must_be_local(headers: Headers, *, is_page: bool = False) -> None:
    """Raises Problem 403 unless the host and the origin, if there is one, are names of this machine's loopback.

    A reader may follow a link of another site to a page: that site sees nothing of it, and reading changes nothing.
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1 or not is_local(hosts[0]):
        name = hosts[0][:100] if len(hosts) == 1 else f"{len(hosts)} Host headers"
        raise Problem(
            403,
            "foreign_host",
            f"this server has no keys, so it answers to localhost and 127.0.0.1 only, not to {name}",
        )
    follows_link = (
        is_page and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )
    foreign_site = headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not follows_link
    if foreign_site or not all(map(_is_local_origin, headers.getlist("origin"))):
        raise Problem(403, "foreign_origin", "a request from another web site needs a key, and this server has none")


@lru_cache(16)  # clients name the same host in each request
def is_local(authority: str) -> bool:
    """Whether the host of `host:port` is `localhost` or a loopback address."""
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        return False
    host = match[1].lower()
    if host in {"localhost", "localhost."}:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_local_origin(origin: str) -> bool:
    match = _ORIGIN.fullmatch(origin)
    return match is not None and is_local(match[1])
