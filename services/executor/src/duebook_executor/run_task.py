"""One execution of a task: validate its payload, call it within its timeout, turn every end into an outcome."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog

from duebook.context import Context
from duebook.outcomes import (
    GIVEN_UP_ASYNC,
    GIVEN_UP_PLAIN,
    STOP_SECONDS,
    TaskFailure,
    TaskOutcome,
    failure,
    success,
    timed_out,
)
from duebook.tasks import Task
from duebook_executor.task_loop import Execution, TaskLoop

log = structlog.stdlib.get_logger("run_task")


class GivenUp(asyncio.CancelledError):
    """The execution was cancelled, and its task did not stop: it may still be running."""


async def execute(task: Task, payload: Any, context: Context, timeout: timedelta, loop: TaskLoop) -> TaskOutcome:
    """Execute the task once. Whatever it returns or raises becomes an outcome; only our own cancellation is raised."""
    if task.inline:
        return await _execute_inline(task, payload, context, timeout)
    return await _follow(task, loop.start(task, payload, context), context, timeout, loop)


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
    return timed_out(timeout, "" if stopped else GIVEN_UP_ASYNC if task.is_async else GIVEN_UP_PLAIN)


async def _stop(execution: Execution, running: "asyncio.Future[Any]", context: Context, loop: TaskLoop) -> bool:
    """Ask the task to stop; False if it did not within half a second, and was given up."""
    context.stopping.set()
    execution.cancel()
    try:
        await asyncio.wait({running}, timeout=STOP_SECONDS)
    finally:
        if not running.done():
            loop.abandon(execution)
            log.warning("a task was given up and may still be running", abandoned=loop.abandoned)
    return running.done()


async def _execute_inline(task: Task, payload: Any, context: Context, timeout: timedelta) -> TaskOutcome:
    """Built-in tasks do not block, so they run in the executor's own event loop."""
    try:
        async with asyncio.timeout(timeout.total_seconds()) as limit:
            return success(await task.function(*task.arguments(payload, context)))
    except TimeoutError as error:
        return timed_out(timeout) if limit.expired() else failure(error)
    except Exception as error:
        return failure(error)


def _outcome(ended: "asyncio.Future[TaskOutcome]") -> TaskOutcome:
    if ended.cancelled():
        return TaskFailure("the task was cancelled")
    error = ended.exception()
    return ended.result() if error is None else failure(error)
