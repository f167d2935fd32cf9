"""Errors as HTTP responses: one shape for all (RFC 9457), and the one place that maps an exception to a problem."""

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

from duebook_common.domain.errors import AlreadyExists, CommandRejected, KeyReused, StaleVersion
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import UNAVAILABLE
from duebook_common.store.queue_handling import StartsGoOn

log = structlog.stdlib.get_logger("problems")

_TYPE = "https://duebook.dev/problems/"
_INTERNAL = "internal"
_STARTS_GO_ON = (
    "starts of attempts were being recorded for all of 5 s, and nothing was changed; if that repeats, look for a "
    "transaction that stays open in PostgreSQL, by `xact_start` in pg_stat_activity, and end it"
)
MOST_FAULTS = 100
_LONGEST_PART = 200  # of a pointer: a client chooses the names of fields
# Pydantic's messages that name Python's types, in the words of JSON.
_MESSAGES = {
    "string_type": "this must be a string",
    "model_type": "this must be an object",
    "dict_type": "this must be an object",
    "list_type": "this must be a list",
    "bool_type": "this must be true or false",
    "bool_parsing": "this must be true or false",
    "int_type": "this must be a whole number",
    "float_type": "this must be a number",
    "time_delta_parsing": "a duration is between PT0S and P36500D",  # `Duration` has read its form before
    "missing": "this field is required",
    "extra_forbidden": "there is no such field",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a request; `pointer` is a JSON pointer into the body, or `/` and the name of a query parameter."""

    pointer: str
    message: str


class Problem(Exception):
    """A request that is answered with an error; `faults` become its `errors`."""

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

    def __reduce__(self) -> tuple[type["Problem"], tuple[Any, ...]]:
        """For `pickle`, which would pass the detail alone."""
        return Problem, (self.status, self.code, self.detail, self.faults, self.headers)


def not_found(what: str) -> Problem:
    return Problem(404, "not_found", f"there is no {what}")


def invalid(*faults: Fault) -> Problem:
    """Problem 422 with all faults of a body or a query; its `detail` is the first."""
    first = faults[0]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Problem(422, "invalid", f"{first.pointer or 'the body'}: {first.message}{more}", faults)


def invalid_model(error: ValidationError, root: str = "") -> Problem:
    """Problem 422 for what pydantic refused, with JSON pointers that begin with `root`."""
    return invalid(*model_faults(error, root))


def invalid_query(error: ValidationError) -> Problem:
    """Problem 422 for the query parameters that pydantic refused."""
    faults = model_faults(error, "")
    return invalid(*(Fault(fault.pointer, fault.message.replace("field", "parameter")) for fault in faults))


def model_faults(error: ValidationError, root: str) -> list[Fault]:
    """The first faults that pydantic has found."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    return [Fault(root + pointer(e["loc"]), _message(e["type"], e["msg"])) for e in errors[:MOST_FAULTS]]


def _message(type_: str, message: str) -> str:
    return _MESSAGES.get(type_) or message.removeprefix("Value error, ")


def pointer(location: Sequence[str | int]) -> str:
    """The location as a JSON pointer (RFC 6901); a name of unusual length is cut off."""
    return "".join("/" + str(part)[:_LONGEST_PART].replace("~", "~0").replace("/", "~1") for part in location)


def problem_response(problem: Problem, cause: Exception | None = None) -> Response:
    """The problem as a response. Its unique `instance` is also in the log, if the server is at fault."""
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
        body["errors"] = [{"pointer": fault.pointer, "detail": fault.message} for fault in problem.faults]
    if problem.status >= 500:
        unexpected = cause if problem.code == _INTERNAL else None
        log.error("request failed", instance=instance, code=problem.code, error=cause, exc_info=unexpected)
    return Response(orjson.dumps(body), problem.status, problem.headers, "application/problem+json")


def problem_of(error: Exception) -> Problem:
    """The problem that a client sees of an error; of an unexpected one it says only where to look."""
    match error:
        case Problem():
            return error
        case StaleVersion() | AlreadyExists():
            return Problem(412, error.code, str(error))
        case KeyReused():
            return Problem(422, error.code, str(error), [Fault("/Idempotency-Key", str(error))])
        case CommandRejected():
            return Problem(409, error.code, str(error))
        case Conflict():
            return try_again(
                "busy", "other requests kept changing the same job or run, or it leaves for an archive now"
            )
        case StartsGoOn():
            return try_again("busy", _STARTS_GO_ON)
        case _ if isinstance(error, UNAVAILABLE):
            return try_again("unavailable", "the database does not answer")
        case _:
            return Problem(
                500, _INTERNAL, "an unexpected error occurred; the server's log has it under this `instance`"
            )


def try_again(code: str, cause: str) -> Problem:
    return Problem(503, code, f"{cause}; try again", headers={"Retry-After": "1"})


async def on_error(_: Request, error: Exception) -> Response:
    """The exception handler for every error of a route."""
    return problem_response(problem_of(error), error)
