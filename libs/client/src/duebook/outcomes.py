"""How an attempt ends: what a task returned or raised, as the outcome that is recorded.

The executor and `duebook.testing` both decide by these functions.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from duebook.errors import Fail, RetryAfter
from duebook.json_values import plain, size, stored_text

LONGEST_ERROR = 4_000
"""Characters."""
LARGEST_RESULT = 256 * 1024
"""Bytes of JSON."""
STOP_SECONDS = 0.5
"""How long a task may take to stop when its attempt is cancelled or has timed out."""

GIVEN_UP_PLAIN = " and was given up: it may still be running, because nothing can stop a plain function"
GIVEN_UP_ASYNC = " and was given up: it may still be running, because it did not stop when it was cancelled"


@dataclass(frozen=True, slots=True)
class TaskSuccess:
    """`result` is plain JSON."""

    result: Any


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """`retry` is False where a retry could not succeed; `delay` replaces the job's backoff.

    `kind` says what it is without any contents: the class of an exception, or a word of ours.
    """

    error: str
    retry: bool = True
    delay: timedelta | None = None
    kind: str = field(default="task failed", compare=False)


TaskOutcome = TaskSuccess | TaskFailure


def success(result: Any) -> TaskOutcome:
    """Keep the result as JSON. One that JSON cannot hold fails the run for good: a retry would return the same."""
    if result is None:
        return TaskSuccess(None)
    try:
        kept = plain(result)
    except Exception as error:  # a model's own serializer may raise anything
        text = f"the task returned a value that JSON cannot hold: {error}"
        return TaskFailure(stored_text(text)[:LONGEST_ERROR], retry=False, kind="result is not JSON")
    if (bytes_ := size(kept)) > LARGEST_RESULT:
        text = f"the task returned {bytes_} bytes of JSON; the limit is {LARGEST_RESULT}"
        return TaskFailure(text, retry=False, kind="result is too large")
    return TaskSuccess(kept)


def failure(error: BaseException) -> TaskFailure:
    """What the task raised, as its failure."""
    kind = type(error).__name__
    match error:
        case Fail():
            return TaskFailure(_error_text(error.message), retry=error.retry, kind=kind)
        case RetryAfter():
            return TaskFailure(_error_text(error.message), delay=error.delay, kind=kind)
        case _:
            return TaskFailure(_error_text(described(error)), kind=kind)


def timed_out(timeout: timedelta, remark: str = "") -> TaskFailure:
    return TaskFailure(f"timed out after {timeout.total_seconds():g} s{remark}", kind="timeout")


def described(error: BaseException) -> str:
    """The class and the message of an exception."""
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be read"
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _error_text(text: str) -> str:
    return stored_text(text)[:LONGEST_ERROR] or "no message"
