"""The headers that every request has."""

import platform

from duebook.client.errors import InvalidRequest
from duebook.version import VERSION

_USER_AGENT = f"duebook/{VERSION} Python/{platform.python_version()}"


def request_headers(key: str | None) -> dict[str, str]:
    """Of JSON, the client's name, and the key; raises InvalidRequest for a key that a header cannot carry."""
    headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": _USER_AGENT}
    if key is None:
        return headers
    if not (key.isascii() and key.isprintable() and key.strip()):
        raise InvalidRequest("the key must be one line of printable ASCII characters")
    return headers | {"Authorization": f"Bearer {key}"}
