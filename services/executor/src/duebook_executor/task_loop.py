"""Where users' tasks run: in an event loop and threads of their own, so that no task can starve the executor's loop.

A task that blocks its event loop delays only the tasks that share it: later ones get a fresh loop.
"""

import asyncio
import threading
import time
from collections.abc import Collection, Coroutine, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

import structlog

from duebook.context import Context
from duebook.execution import Execution, await_task, call_task
from duebook.loop_calls import LoopCalls
from duebook.open_resources import OpenResources
from duebook.resources import ResourceRegistry, registered_resources
from duebook.tasks import Task
from duebook_common.runtime.telemetry import ABANDONED_TASKS

log = structlog.stdlib.get_logger("task_loop")

_BLOCKED_SECONDS = 1.0
_CLOSE_SECONDS = 5.0  # how long a stopping executor waits for resources to close


class TooManyGivenUp(RuntimeError):
    """So many tasks were given up and still run that the process must end."""


class _ThreadedLoop:
    """One event loop in one thread, with its own open resources.

    The thread is a daemon, because a blocked one must not keep the process alive. `running` are the executions that
    may use the resources, by their ends.
    """

    def __init__(self, resources: ResourceRegistry) -> None:
        self.loop, self.resources = asyncio.new_event_loop(), OpenResources(resources)
        self.calls = LoopCalls(self.loop)
        self.running: set[Future[Any]] = set()
        self._pinged_at = self._answered_at = time.monotonic()
        threading.Thread(target=self.loop.run_forever, name="duebook-tasks", daemon=True).start()

    def is_blocked(self) -> bool:
        """Whether the last ping has been unanswered for too long; sends the next ping if it was answered."""
        if self._answered_at >= self._pinged_at:
            self._pinged_at = time.monotonic()
            self.loop.call_soon_threadsafe(self._answer)
            return False
        return time.monotonic() - self._pinged_at > _BLOCKED_SECONDS

    def is_idle(self) -> bool:
        """Whether the loop answers, and no execution is left that could use its resources."""
        return not self.is_blocked() and not self.running

    def values(self, types: Collection[Any]) -> Mapping[Any, Any]:
        """The resources of these types, for a thread: waits until they are open."""
        found = self.resources.values(types)
        return self._in_loop(self.resources.get(types)).result() if found is None else found

    def open(self, types: Collection[Any]) -> "Future[Any]":
        return self._in_loop(self.resources.get(types))

    def close(self) -> "Future[None]":
        """Close the resources. The loop goes on: an abandoned task may still run there."""
        return self._in_loop(self.resources.close())

    def _in_loop(self, coroutine: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def _answer(self) -> None:
        self._answered_at = time.monotonic()


class TaskLoop:
    """Runs users' coroutines in the tasks' event loop, and their plain functions in threads.

    Code that goes on after its attempt was given up can only be counted: the operating system ends it with the process.
    """

    def __init__(self, resources: ResourceRegistry | None = None) -> None:
        self._registry = registered_resources() if resources is None else resources
        self._current = _ThreadedLoop(self._registry)
        self._replaced: list[_ThreadedLoop] = []
        self._abandoned: set[Execution] = set()
        self._calls: LoopCalls | None = None  # in the executor's own loop

    @property
    def abandoned(self) -> int:
        """How many tasks that were given up still run."""
        return len(self._abandoned)

    async def open(self, types: Collection[Any]) -> None:
        """Open these resources now; raises ResourceFailed with file, line and cause."""
        await asyncio.wrap_future(self._current.open(types))

    async def close(self) -> None:
        """Close all resources, once the attempts have ended. Those of a blocked loop are left to the process's end."""
        closing = [asyncio.wrap_future(each.close()) for each in self._with_resources()]
        if closing and (await asyncio.wait(closing, timeout=_CLOSE_SECONDS))[1]:
            log.warning("resources were not closed in time", seconds=_CLOSE_SECONDS)

    def replace_if_blocked(self) -> None:
        """Give further tasks a new loop if a task blocks this one. To be called about twice a second.

        The resources of a replaced loop are closed once no task can use them any more.
        """
        if self._current.is_blocked():
            log.warning("a task blocks the tasks' event loop; further tasks get a new one")
            self._replaced.append(self._current)
            self._current = _ThreadedLoop(self._registry)
        for idle in [each for each in self._replaced if each.is_idle()]:
            self._replaced.remove(idle)
            idle.close()

    def _with_resources(self) -> list[_ThreadedLoop]:
        return [each for each in (self._current, *self._replaced) if each.resources.are_open]

    def start(self, task: Task, payload: Any, context: Context) -> "Execution":
        """Start a task of a user: an `async def` in the current loop, a `def` in a thread."""
        threaded = self._current
        self._calls = self._calls or LoopCalls(asyncio.get_running_loop())
        if task.is_async:
            execution = self.run(await_task(task, payload, context, threaded.resources))
        else:
            resources = partial(threaded.values, task.resources)
            execution = Execution.in_thread(lambda: call_task(task, payload, context, resources), self._calls)
        threaded.running.add(execution.ended)
        execution.ended.add_done_callback(threaded.running.discard)
        return execution

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Execution:
        """Start a coroutine."""
        execution, threaded, tasks = Execution(self._calls), self._current, list[asyncio.Task[Any]]()

        def start() -> None:
            tasks.append(threaded.loop.create_task(coroutine))
            tasks[0].add_done_callback(execution.finish)

        def cancel() -> None:
            tasks[0].cancel()

        threaded.calls.call(start)
        execution.cancel = partial(threaded.calls.call, cancel)  # called after `start`, even if the loop is blocked now
        return execution

    def abandon(self, execution: Execution) -> None:
        """Give the task up: from now on it is counted until it ends."""
        if execution in self._abandoned:
            return
        self._abandoned.add(execution)
        ABANDONED_TASKS.inc()
        log.warning("a task was given up and may still be running", abandoned=self.abandoned)
        execution.ended.add_done_callback(lambda _: self._on_end(execution))

    def _on_end(self, execution: Execution) -> None:
        self._abandoned.discard(execution)
        ABANDONED_TASKS.dec()
        log.info("a task that was given up has ended", abandoned=self.abandoned)

    async def check(self, most: int) -> None:
        """Raise TooManyGivenUp if more tasks than that were given up and still run."""
        if self.abandoned > most:
            raise TooManyGivenUp(
                f"{self.abandoned} tasks that were given up still run; DUEBOOK_MAX_ABANDONED is {most}"
            )
