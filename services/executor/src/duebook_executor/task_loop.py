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


class TaskLoop:
    """Runs users' coroutines in the tasks' event loop, and their plain functions in threads."""

    def __init__(self) -> None:
        self._current = _ThreadedLoop()

    def replace_if_blocked(self) -> None:
        """Give further tasks a new loop if a task blocks this one. To be called about twice a second."""
        if self._current.is_blocked():
            log.warning("a task blocks the tasks' event loop; further tasks get a new one")
            self._current = _ThreadedLoop()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> "Future[Any]":
        """Start a coroutine; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._current.loop)

    def call(self, function: Callable[[], Any]) -> "Future[Any]":
        """Call a plain function in a thread of its own. Python cannot stop a thread: cancelling only abandons it."""
        future: Future[Any] = Future()
        threading.Thread(target=_call, args=(function, future), name="duebook-task", daemon=True).start()
        return future


def _call(function: Callable[[], Any], future: "Future[Any]") -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)
