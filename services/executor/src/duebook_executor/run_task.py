"""One execution of a task: validate its payload, call it within its timeout, turn every end into an outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from duebook.tasks import Context, Fail, RetryAfter, Task
from duebook_common.store.codec import storable
from duebook_executor.task_loop import TaskLoop

# How long a task may take to stop when its attempt is interrupted; after a time-out it is left at once.
_STOP_SECONDS = 0.5
_LONGEST_ERROR = 4000  # characters
_LARGEST_RESULT = 256 * 1024  # bytes of JSON


@dataclass(frozen=True, slots=True)
class TaskSuccess:
    result: Any


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """`retry` is False where a retry could not succeed; `delay` replaces the job's backoff."""

    error: str
    retry: bool = True
    delay: timedelta | None = None


TaskOutcome = TaskSuccess | TaskFailure


async def execute(task: Task, payload: Any, context: Context, timeout: timedelta, loop: TaskLoop) -> TaskOutcome:
    """Execute the task once. Whatever it returns or raises becomes an outcome; only our own cancellation is raised."""
    try:
        arguments = task.arguments(payload, context)
    except BaseException as error:  # a user's validator may raise anything, also SystemExit
        return _failure(error)
    if task.inline:
        return await _execute_inline(task, arguments, timeout)
    if task.is_async:
        future = loop.run(_await_function(task.function(*arguments)))
    else:
        future = loop.call(lambda: _call_function(task.function, arguments))
    running = asyncio.wrap_future(future)
    try:
        done, _ = await asyncio.wait({running}, timeout=timeout.total_seconds())
    except asyncio.CancelledError:
        running.cancel()
        await asyncio.wait({running}, timeout=_STOP_SECONDS)
        raise
    if not done:
        running.cancel()
        return _timed_out(timeout)
    return _outcome(running)


async def _execute_inline(task: Task, arguments: tuple[Any, ...], timeout: timedelta) -> TaskOutcome:
    """Built-in tasks do not block, so they run in the executor's own event loop."""
    try:
        async with asyncio.timeout(timeout.total_seconds()) as limit:
            return _success(await task.function(*arguments))
    except TimeoutError as error:
        return _timed_out(timeout) if limit.expired() else _failure(error)
    except Exception as error:
        return _failure(error)


def _call_function(function: Callable[..., Any], arguments: tuple[Any, ...]) -> TaskOutcome:
    """Catch in the task's own thread what the function raises: an asyncio future cannot hold StopIteration."""
    try:
        return TaskSuccess(function(*arguments))
    except BaseException as error:
        return _failure(error)


async def _await_function(work: Awaitable[Any]) -> TaskOutcome:
    """Catch in the tasks' loop what the function raises: SystemExit would end that loop."""
    try:
        return TaskSuccess(await work)
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        return TaskFailure("the task raised CancelledError")
    except BaseException as error:
        return _failure(error)


def _outcome(ended: "asyncio.Future[Any]") -> TaskOutcome:
    if ended.cancelled():
        return TaskFailure("the task was cancelled")
    error = ended.exception()
    if error is not None:
        return _failure(error)
    outcome = ended.result()
    return _success(outcome.result) if isinstance(outcome, TaskSuccess) else outcome


def _success(result: Any) -> TaskOutcome:
    """Keep the result as JSON. One that JSON cannot hold fails the run for good: a retry would return the same."""
    if result is None:
        return TaskSuccess(None)
    try:
        data = storable(result)
    except (TypeError, ValueError) as error:
        return TaskFailure(f"the task returned a value that JSON cannot hold: {error}"[:_LONGEST_ERROR], retry=False)
    if len(data) > _LARGEST_RESULT:
        return TaskFailure(f"the task returned {len(data)} bytes of JSON; the limit is {_LARGEST_RESULT}", retry=False)
    return TaskSuccess(orjson.loads(data))


def _failure(error: BaseException) -> TaskFailure:
    match error:
        case Fail():
            return TaskFailure(_storable_text(error.message), retry=error.retry)
        case RetryAfter():
            return TaskFailure(_storable_text(error.message), delay=error.delay)
        case _:
            try:
                text = str(error)
            except Exception:
                text = "its message cannot be read"
            return TaskFailure(_storable_text(f"{type(error).__name__}: {text}".removesuffix(": ")))


def _storable_text(text: str) -> str:
    """The text as PostgreSQL can store it: without NUL and lone surrogates, and cut to the longest error."""
    return str(text).replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST_ERROR] or "no message"


def _timed_out(timeout: timedelta) -> TaskFailure:
    return TaskFailure(f"timed out after {timeout.total_seconds():g} s")
