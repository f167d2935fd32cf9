"""The message and the exit code of each expected failure: one line with the cause and the remedy."""

import re
from collections.abc import Iterator, Mapping

from duebook.client import ApiError, ClientError, InvalidRequest, NotDuebook, Unreachable
from duebook.client.connection import server_of
from duebook.client.environment import DEFAULT_URL, FILE, environment

FAILURE, USAGE, NOT_FOUND = 1, 2, 3

# Where the API names a route, the command line names the command.
_ROUTES = {
    re.compile(r"GET /api/queue\b"): "`duebook queue list`",
    re.compile(r"POST /api/dead-letter/(\S+)/(redrive|discard)"): r"`duebook dead-letter \2 \1`",
}


class NotFound(Exception):
    """The resource that a command names does not exist."""


class Failure(Exception):
    """A command failed; the message has the cause."""


class Ambiguous(Exception):
    """A name that a command was given means several things; the message lists them."""


EXPECTED = (ClientError, NotFound, Failure, Ambiguous)


def exit_code(error: Exception) -> int:
    if isinstance(error, Ambiguous):
        return USAGE
    missing = isinstance(error, NotFound) or (isinstance(error, ApiError) and error.status in (404, 410))
    return NOT_FOUND if missing else FAILURE


def explain(error: Exception, variables: Mapping[str, str] | None = None) -> Iterator[str]:
    """The lines that describe the failure: one, and one more for each fault of an invalid request."""
    variables = environment() if variables is None else variables
    match error:
        case Unreachable() if not variables.get("DUEBOOK_URL"):
            yield (
                f"{error}; DUEBOOK_URL is not set, and this directory has no {FILE}: "
                "run `duebook` where `make up` runs, or set DUEBOOK_URL"
            )
        case Unreachable():
            yield f"{error}; is the api running, and is DUEBOOK_URL right?"
        case NotDuebook():
            yield f"the server at {_server(variables)} is not Duebook's API ({error}); set DUEBOOK_URL"
        case InvalidRequest():
            yield f"invalid request: {error}; check DUEBOOK_URL and DUEBOOK_API_KEY"
        case ApiError(status=401) if _has_key(variables):
            yield (
                f"{_server(variables)} refused the key in DUEBOOK_API_KEY: it is unknown, expired or revoked; "
                "`duebook key list` shows which keys are still valid, `duebook key create` makes one"
            )
        case ApiError(status=401):
            yield f"{_server(variables)} requires a key; set DUEBOOK_API_KEY, or make a key with `duebook key create`"
        case ApiError(faults=[_, *_]):
            yield f"refused ({error.code}):"
            yield from (f"  {fault.pointer or 'body'}: {fault.detail}" for fault in error.faults)
        case ApiError():
            yield as_commands(error.detail)
        case _:
            yield from str(error).splitlines()


def _server(variables: Mapping[str, str]) -> str:
    return server_of(variables.get("DUEBOOK_URL") or DEFAULT_URL)


def as_commands(text: str) -> str:
    """A sentence of the API, with commands in place of routes."""
    for route, command in _ROUTES.items():
        text = route.sub(command, text)
    return text


def _has_key(variables: Mapping[str, str]) -> bool:
    return bool(variables.get("DUEBOOK_API_KEY") or variables.get("DUEBOOK_API_KEY_FILE"))
