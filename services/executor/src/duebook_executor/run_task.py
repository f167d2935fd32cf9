"""One execution of a task: validate its payload, call it within its timeout, turn every end into an outcome."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
import structlog

from duebook.tasks import Context, Fail, RetryAfter, Task
from duebook_common.store.codec import storable
from duebook_executor.task_loop import Execution, TaskLoop

log = structlog.stdlib.get_logger("run_task")

_STOP_SECONDS = 0.5  # how long a task may take to stop when its attempt is interrupted or has timed out
_GIVEN_UP_PLAIN = " and was given up: it may still be running, because nothing can stop a plain function"
_GIVEN_UP_ASYNC = " and was given up: it may still be running, because it did not stop when it was cancelled"
_LONGEST_ERROR = 4000  # characters
_LARGEST_RESULT = 256 * 1024  # bytes of JSON


class GivenUp(asyncio.CancelledError):
    """The execution was cancelled, and its task did not stop: it may still be running."""


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
        execution = loop.run(_await_function(task.function, arguments))
    else:
        execution = loop.call(lambda: _call_function(task.function, arguments))
    return await _follow(task, execution, context, timeout, loop)


async def _follow(
    task: Task, execution: Execution, context: Context, timeout: timedelta, loop: TaskLoop
) -> TaskOutcome:
    """Wait for the outcome until the timeout, or until this execution is cancelled; raises GivenUp or CancelledError.

    Then the task is asked to stop, and given up if it does not stop soon.
    """
    running = asyncio.wrap_future(execution.ended)
    try:
        if (await asyncio.wait({running}, timeout=timeout.total_seconds()))[0]:
            return _outcome(running)
        stopped = await _stop(execution, running, context, loop)
    except asyncio.CancelledError:
        if not await _stop(execution, running, context, loop):
            raise GivenUp from None
        raise
    return _timed_out(timeout, "" if stopped else _GIVEN_UP_ASYNC if task.is_async else _GIVEN_UP_PLAIN)


async def _stop(execution: Execution, running: "asyncio.Future[Any]", context: Context, loop: TaskLoop) -> bool:
    """Ask the task to stop; False if it did not within half a second, and was given up."""
    context.stopping.set()
    execution.cancel()
    try:
        await asyncio.wait({running}, timeout=_STOP_SECONDS)
    finally:
        if not running.done():
            loop.abandon(execution)
            log.warning("a task was given up and may still be running", abandoned=loop.abandoned)
    return running.done()


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


async def _await_function(function: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> TaskOutcome:
    """Catch in the tasks' loop what the function raises: SystemExit would end that loop."""
    try:
        return TaskSuccess(await function(*arguments))
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


def _timed_out(timeout: timedelta, remark: str = "") -> TaskFailure:
    return TaskFailure(f"timed out after {timeout.total_seconds():g} s{remark}")
