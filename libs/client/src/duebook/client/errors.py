"""What a call can end with. Every error derives from `ClientError`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duebook.client.models import Run


@dataclass(frozen=True, slots=True)
class Fault:
    """One error in a request. `pointer` is the JSON pointer of a field, or the name of a parameter."""

    pointer: str
    detail: str


class ClientError(Exception):
    """The base of all errors of the client."""


class ApiError(ClientError):
    """The API refused the request. `code` is stable; `faults` list the errors of an invalid request.

    `retry_after` is how many seconds the server asks to wait before the next request, or None.
    """

    def __init__(
        self, status: int, code: str, detail: str, faults: Sequence[Fault] = (), retry_after: float | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail
        self.faults, self.retry_after = tuple(faults), retry_after


class Invalid(ApiError):
    """400, 413 or 422: the request is wrong. `errors` has a message for each JSON pointer of a field."""

    @property
    def errors(self) -> Mapping[str, str]:
        """For example `{"/timezone": "…"}`; a pointer with several faults has the last one."""
        return {fault.pointer: fault.detail for fault in self.faults}


class Unauthorized(ApiError):
    """401: the key is missing, unknown, expired or revoked."""


class Forbidden(ApiError):
    """403: the key lacks a scope."""


class NotFound(ApiError):
    """404: there is no such job, run or dead letter."""


class Conflict(ApiError):
    """409 or 412: the state does not admit it, or `if_match` names an older version."""


class Gone(ApiError):
    """410: it is not in the database any more. `code` says why, `detail` says what to do.

    `archived`: only an archive has this run, this job or the events after this position. `position_gone`: the log has
    no event at this position, because its database was restored.
    """


class TooManyRequests(ApiError):
    """429: the key has used up its requests, also after the retries of the client."""


class Unavailable(ApiError):
    """503: the server or its database is out of reach for the moment, also after the retries of the client."""


class Unreachable(ClientError):
    """No answer arrived, so the request may or may not have taken effect."""


class NotDuebook(ClientError):
    """The answer is not from Duebook's API. `status` is that of the answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class InvalidRequest(ClientError):
    """The URL, the key or a value cannot be part of an HTTP request; nothing was sent."""


class RunEnded(ClientError):
    """The run has ended without the expected result. `run` is its last state."""

    def __init__(self, message: str, run: "Run") -> None:
        super().__init__(message)
        self.run = run


class RunFailed(RunEnded):
    """The run is a dead letter: its last attempt failed. `error` is the text of that failure."""

    @property
    def error(self) -> str:
        return self.run.error or ""


class RunCancelled(RunEnded):
    """The run was cancelled or discarded; `run.reason` says why, if a reason was given."""


class RunSkipped(RunEnded):
    """The run was left out; `run.reason` says why."""


class UnexpectedResult(RunEnded):
    """The run has succeeded, and its result is not of the type that the task returns here."""


class NoRun(ClientError):
    """The job has ended without a run, for example because it was deleted before it was due."""


class WaitTimeout(ClientError, TimeoutError):
    """The run had not ended in time. It goes on. `run` is its last state, None if it had not been made."""

    def __init__(self, message: str, run: "Run | None" = None) -> None:
        super().__init__(message)
        self.run = run


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: Conflict,
    413: Invalid,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
}


def api_error(status: int) -> type[ApiError]:
    """The class of an error of this status."""
    return _BY_STATUS.get(status, ApiError)
