"""Where users' tasks run: in an event loop and threads of their own, so that no task can starve the executor's loop.

A task that blocks its event loop delays only the tasks that share it: later ones get a fresh loop.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import structlog

from duebook_common.runtime.telemetry import ABANDONED_TASKS

log = structlog.stdlib.get_logger("task_loop")

_BLOCKED_SECONDS = 1.0


class _ThreadedLoop:
    """One event loop in one thread: a daemon, because a blocked thread must not keep the process alive."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._pinged_at = self._answered_at = time.monotonic()
        threading.Thread(target=self.loop.run_forever, name="duebook-tasks", daemon=True).start()

    def is_blocked(self) -> bool:
        """Whether the last ping has been unanswered for too long; sends the next ping if it was answered."""
        if self._answered_at >= self._pinged_at:
            self._pinged_at = time.monotonic()
            self.loop.call_soon_threadsafe(self._answer)
            return False
        return time.monotonic() - self._pinged_at > _BLOCKED_SECONDS

    def _answer(self) -> None:
        self._answered_at = time.monotonic()


class Execution:
    """A task under way. `ended` is done once its code has really ended, whatever became of the attempt meanwhile."""

    def __init__(self) -> None:
        self.ended: Future[Any] = Future()
        self.cancel: Callable[[], None] = _do_nothing

    def finish(self, task: "asyncio.Task[Any]") -> None:
        if task.cancelled():
            self.ended.cancel()
        elif error := task.exception():
            self.ended.set_exception(error)
        else:
            self.ended.set_result(task.result())


class TaskLoop:
    """Runs users' coroutines in the tasks' event loop, and their plain functions in threads.

    Code that goes on after its attempt was given up can only be counted: the operating system ends it with the process.
    """

    def __init__(self) -> None:
        self._current = _ThreadedLoop()
        self._abandoned: set[Execution] = set()

    @property
    def abandoned(self) -> int:
        """How many tasks that were given up still run."""
        return len(self._abandoned)

    def replace_if_blocked(self) -> None:
        """Give further tasks a new loop if a task blocks this one. To be called about twice a second."""
        if self._current.is_blocked():
            log.warning("a task blocks the tasks' event loop; further tasks get a new one")
            self._current = _ThreadedLoop()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Execution:
        """Start a coroutine."""
        execution, loop, tasks = Execution(), self._current.loop, list[asyncio.Task[Any]]()

        def start() -> None:
            tasks.append(loop.create_task(coroutine))
            tasks[0].add_done_callback(execution.finish)

        def cancel() -> None:
            tasks[0].cancel()

        loop.call_soon_threadsafe(start)
        execution.cancel = lambda: _call_in(loop, cancel)  # the loop calls it after `start`, even if it is blocked now
        return execution

    def call(self, function: Callable[[], Any]) -> Execution:
        """Call a plain function in a thread of its own. Python cannot stop a thread: `cancel` has no effect."""
        execution = Execution()
        execution.ended.set_running_or_notify_cancel()
        threading.Thread(target=_call, args=(function, execution.ended), name="duebook-task", daemon=True).start()
        return execution

    def abandon(self, execution: Execution) -> None:
        """Give the task up: from now on it is counted until it ends."""
        if execution in self._abandoned:
            return
        self._abandoned.add(execution)
        ABANDONED_TASKS.inc()
        execution.ended.add_done_callback(lambda _: self._on_end(execution))

    def _on_end(self, execution: Execution) -> None:
        self._abandoned.discard(execution)
        ABANDONED_TASKS.dec()
        log.info("a task that was given up has ended", abandoned=self.abandoned)

    async def check(self, most: int) -> None:
        """Raise RuntimeError if more tasks than that were given up and still run."""
        if self.abandoned > most:
            raise RuntimeError(f"{self.abandoned} tasks that were given up still run; DUEBOOK_MAX_ABANDONED is {most}")


def _do_nothing() -> None:
    pass


def _call_in(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    loop.call_soon_threadsafe(function)


def _call(function: Callable[[], Any], ended: "Future[Any]") -> None:
    try:
        ended.set_result(function())
    except BaseException as error:
        ended.set_exception(error)
