"""Errors as HTTP: one shape (RFC 9457) for every one of them, and the one place that turns refusals into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
import structlog
import uuid_utils.compat as uuids
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from duebook_common.domain.errors import CommandRejected, KeyReused, StaleVersion
from duebook_common.store.database import UNAVAILABLE
from duebook_common.store.job_handling import Conflict

log = structlog.stdlib.get_logger("api")

_TYPE = "https://duebook_devstack.dev/problems/"
_INTERNAL = "internal"
_MOST_ERRORS = 100
_WORDS = {
    "string_type": "this must be a string",
    "model_type": "this must be an object",
    "dict_type": "this must be an object",
    "list_type": "this must be a list",
    "bool_type": "this must be true or false",
    "int_type": "this must be a whole number",
    "float_type": "this must be a number",
    "missing": "this field is required",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in a request, and where: a JSON pointer into its body, or a query parameter's name."""

    pointer: str
    message: str


class Problem(Exception):
    """A request that cannot be answered as asked."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        faults: Sequence[Fault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.faults, self.headers = faults, headers or {}


def not_found(what: str) -> Problem:
    return Problem(404, "not_found", f"there is no {what}")


def invalid(*faults: Fault) -> Problem:
    """What is wrong in a body or a query, everything at once."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Problem(422, "invalid", f"{first.pointer or 'the body'}: {first.message}{more}", faults)


def invalid_as(error: ValidationError, root: str = "") -> Problem:
    """What pydantic found, as JSON pointers."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return invalid(*(Fault(root + pointer(e["loc"]), _words(e["type"], e["msg"])) for e in found[:_MOST_ERRORS]))


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901) to the place."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _words(type_: str, message: str) -> str:
    if type_ == "extra_forbidden":
        return "there is no such field"
    return _WORDS.get(type_) or message.removeprefix("Value error, ")


def answer(problem: Problem, cause: Exception | None = None) -> Response:
    """The problem as an answer; its `instance` is unlike any other, and one log line has it where we are to blame."""
    instance = f"urn:uuid:{uuids.uuid7()}"
    body: dict[str, Any] = {
        "type": _TYPE + problem.code,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": instance,
        "code": problem.code,
    }
    if problem.faults:
        body["errors"] = [{"pointer": f.pointer, "detail": f.message} for f in problem.faults]
    if problem.status >= 500:
        unexpected = cause if problem.code == _INTERNAL else None
        log.error("request failed", instance=instance, code=problem.code, error=repr(cause), exc_info=unexpected)
    return Response(orjson.dumps(body), problem.status, problem.headers, "application/problem+json")


def problem_of(error: Exception) -> Problem:
    """What the error says to the client: of one that nobody expected, nothing but where to look."""
    match error:
        case Problem():
            return error
        case StaleVersion():
            return Problem(412, error.code, str(error))
        case KeyReused():
            return Problem(422, error.code, str(error), [Fault("/Idempotency-Key", str(error))])
        case CommandRejected():
            return Problem(409, error.code, str(error))
        case Conflict():
            return Problem(503, "busy", "what this changes kept changing; try again", headers={"Retry-After": "1"})
        case _ if isinstance(error, UNAVAILABLE):
            return Problem(503, "unavailable", "the database is out of reach; try again", headers={"Retry-After": "1"})
        case _:
            return Problem(500, _INTERNAL, "something went wrong on our side; its log line has this instance")


async def on_error(_: Request, error: Exception) -> Response:
    """Answer any error that a route raised."""
    return answer(problem_of(error), error)
