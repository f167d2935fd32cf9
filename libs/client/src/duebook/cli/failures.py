"""The message and the exit code of each expected failure: one line with the cause and the remedy."""

import os
from collections.abc import Iterator, Mapping

from duebook.client import ApiError, ClientError, InvalidRequest, NotDuebook, Unreachable

DEFAULT_URL = "http://127.0.0.1:8000"
FAILURE, USAGE, NOT_FOUND = 1, 2, 3


class NotFound(Exception):
    """The resource that a command names does not exist."""


class Failure(Exception):
    """A command failed; the message has the cause."""


EXPECTED = (ClientError, NotFound, Failure)


def exit_code(error: Exception) -> int:
    missing = isinstance(error, NotFound) or (isinstance(error, ApiError) and error.status == 404)
    return NOT_FOUND if missing else FAILURE


def explain(error: Exception, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The lines that describe the failure: one, and one more for each fault of an invalid request."""
    url = environment.get("DUEBOOK_URL") or DEFAULT_URL
    match error:
        case Unreachable():
            yield f"no answer from {url} ({error}); is the api running, and is DUEBOOK_URL right?"
        case NotDuebook():
            yield f"the server at {url} is not Duebook's API ({error}); set DUEBOOK_URL"
        case InvalidRequest():
            yield f"invalid request: {error}; check DUEBOOK_URL and DUEBOOK_API_KEY"
        case ApiError(status=401) if _has_key(environment):
            yield f"{url} refused the key in DUEBOOK_API_KEY; `duebook key list` shows the valid keys"
        case ApiError(status=401):
            yield f"{url} requires a key; set DUEBOOK_API_KEY"
        case ApiError(faults=[_, *_]):
            yield f"refused ({error.code}):"
            yield from (f"  {fault.pointer or 'body'}: {fault.detail}" for fault in error.faults)
        case ApiError():
            yield error.detail
        case _:
            yield str(error)


def _has_key(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("DUEBOOK_API_KEY") or environment.get("DUEBOOK_API_KEY_FILE"))
