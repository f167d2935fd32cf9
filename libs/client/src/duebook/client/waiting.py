"""Answers that the server keeps back until a run has ended, which saves the requests that would ask for it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from duebook.client.errors import ApiError, Invalid, InvalidRequest
from duebook.client.steps import REFUSALS_TO_WAIT, Call, send
from duebook.client.wire import Request
from duebook.durations import duration, iso_duration

T = TypeVar("T")

LONGEST_WAIT = 30.0  # seconds that one request of an endless wait is kept back

Wait = timedelta | float
"""A `timedelta`, or seconds; the server admits 60 at most."""


def send_waiting(request: Request, wait: Wait | None, parse: Callable[[Any], T]) -> Call[T]:
    """Send a request that makes something once; its answer comes when the run has ended, or after `wait`.

    It comes at once if the server lets no further request wait. Raises InvalidRequest for a `wait` that is no duration.
    """
    if wait is None:
        return (yield from send(request, parse))
    seconds = _seconds(wait)
    try:
        return (yield from send(replace(request, query=wait_query(seconds), held=seconds), parse))
    except ApiError as error:
        if error.code not in REFUSALS_TO_WAIT:
            raise
    return (yield from send(request, parse))


def refuses_to_wait(error: ApiError) -> bool:
    """Whether the same request without `wait` would be answered."""
    return error.code in REFUSALS_TO_WAIT or (isinstance(error, Invalid) and "/wait" in error.errors)


def wait_query(hold: float) -> dict[str, str]:
    """The parameter by which the server keeps back its answer for so many seconds."""
    return {"wait": iso_duration(timedelta(seconds=hold))} if hold else {}


def _seconds(wait: Wait) -> float:
    try:
        found = duration(wait)
    except ValueError as error:
        raise InvalidRequest(f"wait: {error}") from None
    if found is None or found <= timedelta(0):
        raise InvalidRequest(f"wait must be longer than 0, got {wait!r}")
    return found.total_seconds()
