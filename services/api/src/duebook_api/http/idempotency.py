"""Reads the Idempotency-Key header. How a repeated request is answered again: `jobs/requests.py`."""

from starlette.requests import Request

from duebook_api.http.problems import Fault, invalid


def idempotency_key(request: Request) -> str | None:
    """The key, if the request has one; raises Problem 422 for a malformed one, or more than one."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise invalid(Fault("/Idempotency-Key", "this header is given twice; send one key"))
    key = keys[0] if keys else None
    if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise invalid(Fault("/Idempotency-Key", "a key has 1 to 255 printable ASCII characters"))
    return key
