"""What went wrong, in one line that says what to do, and the exit code for it."""

import os
from collections.abc import Iterator, Mapping

from duebook.client import ApiError, ClientError, NotDuebook, Unreachable, Unsendable

DEFAULT_URL = "http://127.0.0.1:8000"
FAILURE, USAGE, NOT_FOUND = 1, 2, 3


class NotFound(Exception):
    """What a command names does not exist."""


class Failure(Exception):
    """A command could not do its work; the message says why."""


EXPECTED = (ClientError, NotFound, Failure)


def exit_code(error: Exception) -> int:
    missing = isinstance(error, NotFound) or (isinstance(error, ApiError) and error.status == 404)
    return NOT_FOUND if missing else FAILURE


def explain(error: Exception, environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """The line that says it; of a refused body, a further one for each fault."""
    url = environment.get("DUEBOOK_URL") or DEFAULT_URL
    match error:
        case Unreachable():
            yield f"no answer from {url} ({error}); DUEBOOK_URL names the server"
        case NotDuebook():
            yield f"{url} does not answer like Duebook's API ({error}); DUEBOOK_URL names the server"
        case Unsendable():
            yield f"cannot be sent: {error}; DUEBOOK_URL and DUEBOOK_API_KEY name server and key"
        case ApiError(status=401):
            state = "the key in DUEBOOK_API_KEY is refused" if _has_key(environment) else "DUEBOOK_API_KEY is not set"
            yield f"{state}, and {url} wants a valid key"
        case ApiError(faults=[_, *_]):
            yield f"refused ({error.code}):"
            yield from (f"  {fault.pointer or 'body'}: {fault.detail}" for fault in error.faults)
        case ApiError():
            yield error.detail
        case _:
            yield str(error)


def _has_key(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("DUEBOOK_API_KEY") or environment.get("DUEBOOK_API_KEY_FILE"))
