"""One call of a task, in the thread or the event loop of its own: whatever it does becomes an outcome.

The executor and `duebook.testing` both call tasks by these functions.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Any

from duebook.context import Context
from duebook.loop_calls import LoopCalls
from duebook.open_resources import OpenResources
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


async def await_task(task: Task, payload: Any, context: Context, resources: OpenResources) -> TaskOutcome:
    """Await an `async def`. Only a cancellation from outside is raised; SystemExit would end the tasks' loop."""
    try:
        arguments = task.arguments(payload, context, await resources.get(task.resources))
        return success(await task.function(*arguments))
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        return TaskFailure("the task raised CancelledError")
    except BaseException as error:
        return failure(error)


def is_cancelled() -> bool:
    """Whether the asyncio task that calls this is cancelled itself, and not only what it awaits."""
    current = asyncio.current_task()
    return current is not None and current.cancelling() > 0


def call_task(task: Task, payload: Any, context: Context, resources: Callable[[], Mapping[Any, Any]]) -> TaskOutcome:
    """Call a `def` in its own thread. Raises nothing: an asyncio future cannot hold StopIteration."""
    try:
        return success(task.function(*task.arguments(payload, context, resources())))
    except BaseException as error:
        return failure(error)


class GivenUp(asyncio.CancelledError):
    """The execution was cancelled, and its task did not stop: it may still be running."""


class Execution:
    """A task under way. `ended` is done once its code has really ended, whatever became of the attempt meanwhile.

    `calls` are those of the event loop that follows the execution, if another thread executes it.
    """

    def __init__(self, calls: LoopCalls | None = None) -> None:
        self.ended: Future[Any] = Future()
        self.cancel: Callable[[], object] = _do_nothing
        self._calls = calls

    @classmethod
    def in_thread(cls, function: Callable[[], Any], calls: LoopCalls | None = None) -> "Execution":
        """Call a plain function in a thread of its own. Python cannot stop a thread: `cancel` has no effect."""
        execution = cls(calls)
        execution.ended.set_running_or_notify_cancel()
        threading.Thread(target=_call, args=(function, execution.ended), name="duebook-task", daemon=True).start()
        return execution

    def finish(self, task: "asyncio.Task[Any]") -> None:
        if task.cancelled():
            self.ended.cancel()
        elif error := task.exception():
            self.ended.set_exception(error)
        else:
            self.ended.set_result(task.result())

    def end(self) -> "asyncio.Future[Any]":
        """A future of the running loop, which is that of `calls`, with what `ended` gets."""
        calls = self._calls
        if calls is None:
            return asyncio.wrap_future(self.ended)
        end = asyncio.get_running_loop().create_future()
        # Nothing here refers to the execution: `ended` keeps its callbacks, and so would make garbage of each task.
        self.ended.add_done_callback(lambda ended: calls.call(partial(_copy, ended, end)))
        return end


def _copy(ended: "Future[Any]", end: "asyncio.Future[Any]") -> None:
    if ended.cancelled():
        end.cancel()
    elif error := ended.exception():
        end.set_exception(error)
    else:
        end.set_result(ended.result())


async def follow(
    task: Task, execution: Execution, context: Context, timeout: timedelta, abandon: Callable[[Execution], None]
) -> TaskOutcome:
    """Wait for the outcome until the timeout, or until this call is cancelled; raises GivenUp or CancelledError.

    Then the task is asked to stop, and given up by `abandon` if it does not stop soon.
    """
    running = execution.end()
    try:
        if (await asyncio.wait({running}, timeout=timeout.total_seconds()))[0]:
            return _outcome(running)
        stopped = await _stop(execution, running, context, abandon)
    except asyncio.CancelledError:
        if not await _stop(execution, running, context, abandon):
            raise GivenUp from None
        raise
    return timed_out(timeout, "" if stopped else GIVEN_UP_ASYNC if task.is_async else GIVEN_UP_PLAIN)


async def _stop(
    execution: Execution, running: "asyncio.Future[Any]", context: Context, abandon: Callable[[Execution], None]
) -> bool:
    """Ask the task to stop; False if it did not within half a second, and was given up."""
    context.stopping.set()
    execution.cancel()
    try:
        await asyncio.wait({running}, timeout=STOP_SECONDS)
    finally:
        if not running.done():
            abandon(execution)
    return running.done()


def _outcome(ended: "asyncio.Future[TaskOutcome]") -> TaskOutcome:
    if ended.cancelled():
        return TaskFailure("the task was cancelled")
    error = ended.exception()
    return ended.result() if error is None else failure(error)


def _call(function: Callable[[], Any], ended: "Future[Any]") -> None:
    try:
        ended.set_result(function())
    except BaseException as error:
        ended.set_exception(error)


def _do_nothing() -> None:
    pass
