"""What a task raises, and what is wrong with a module of tasks."""

import inspect
import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any


class Fail(Exception):
    """Raise it to fail the attempt. With `retry=False` the run becomes a dead letter at once."""

    def __init__(self, message: str, retry: bool = True) -> None:
        super().__init__(message)
        self.message, self.retry = message, retry


class RetryAfter(Exception):
    """Raise it to fail the attempt and to choose the delay before the next one: a `timedelta`, or seconds."""

    def __init__(self, delay: timedelta | float, message: str | None = None) -> None:
        self.delay = _delay(delay)
        self.message = message or f"the task requested a retry after {self.delay.total_seconds():g} s"
        super().__init__(self.message)


class TaskError(Exception):
    """A task or a resource cannot be registered, or a module of tasks cannot be imported. The message is one line."""


def wrong(function: Callable[..., Any], message: str) -> TaskError:
    """The error that names where the function stands."""
    return TaskError(f"{location(function)}: {message}")


def location(function: Callable[..., Any]) -> str:
    """The file and the line of a function, as an editor opens them; its name where it has none."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{short_path(code.co_filename)}:{code.co_firstlineno}" if code else repr(function)


def short_path(file: str) -> str:
    """The path from the working directory, if the file lies below it."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else file


def _delay(delay: timedelta | float) -> timedelta:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a delay must be finite and not negative, got {delay}")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"a delay must be shorter than {timedelta.max.days} days, got {delay}") from None
