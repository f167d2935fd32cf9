"""Where users' code runs: an event loop of its own in a thread of its own, so that it can starve nothing of ours.

A task that blocks that loop hurts at most the tasks beside it: the watch gives new ones a fresh loop.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import structlog

log = structlog.stdlib.get_logger("tasks")

_BLOCKED_SECONDS = 1.0


class _Loop:
    """One event loop in one daemon thread: a thread that never ends must not keep the process."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._heard = time.monotonic()
        self._asked = self._heard
        threading.Thread(target=self.loop.run_forever, name="duebook-tasks", daemon=True).start()

    def blocked(self) -> bool:
        """Whether the loop has not answered the last question for too long; asks again where it has."""
        if self._heard >= self._asked:
            self._asked = time.monotonic()
            self.loop.call_soon_threadsafe(self._answer)
            return False
        return time.monotonic() - self._asked > _BLOCKED_SECONDS

    def _answer(self) -> None:
        self._heard = time.monotonic()


class TaskLoop:
    """Runs coroutines and plain functions of users away from the executor's own loop."""

    def __init__(self) -> None:
        self._current = _Loop()

    def watch(self) -> None:
        """To be called about twice a second: replaces a loop that a task blocks."""
        if self._current.blocked():
            log.warning("a task blocks the tasks' event loop; further tasks get a new one")
            self._current = _Loop()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> "Future[Any]":
        """Start a coroutine; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._current.loop)

    def call(self, function: Callable[[], Any]) -> "Future[Any]":
        """Call a plain function in a thread of its own; it cannot be stopped, only left behind."""
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
