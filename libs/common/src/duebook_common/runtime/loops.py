"""Background loops: one shape, supervised. A loop that ends is a crash of its service."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from duebook_common.runtime.telemetry import LOOP_FAILURES

log = structlog.stdlib.get_logger("loops")

T = TypeVar("T")

_LONGEST_PAUSE = 5.0


Pause = timedelta | Callable[[], timedelta]


async def every(
    name: str,
    pause: Pause,
    step: Callable[[], Awaitable[int]],
    wake: asyncio.Event | None = None,
    longest: float = _LONGEST_PAUSE,
) -> None:
    """Repeat a step for ever: at once while it finds work, else after the pause or when `wake` is set.

    A failed step is logged, counted and repeated, each time later, at most `longest` seconds.
    """
    wake = wake or asyncio.Event()
    failures = 0
    while True:
        wake.clear()  # before the step, never after: a hint that comes during it must not get lost
        try:
            found = await guarded(step())
            failures = 0
        except Exception as error:
            failures += 1
            LOOP_FAILURES.labels(name).inc()
            log.warning("loop failed", loop=name, error=repr(error), failures=failures, exc_info=failures == 1)
            await asyncio.sleep(min(0.1 * 2 ** min(failures, 10), longest))
            continue
        if not found:
            await wait(wake, (pause() if callable(pause) else pause).total_seconds())


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, or that long."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        pass


async def guarded(work: Awaitable[T]) -> T:
    """Await; a CancelledError that nobody asked for (a connection that died under a confirm) is a ConnectionError."""
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling() == 0:
            raise ConnectionError("a connection was lost while its answer was awaited") from error
        raise


class Loops:
    """The loops of a service. `crashed` is set when one of them ends, which none ever should."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self.crashed = asyncio.Event()

    def start(self, name: str, loop: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(loop, name=name)
        task.add_done_callback(self._ended)
        self._tasks[name] = task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if self._tasks.get(task.get_name()) is task:  # else it was stopped on purpose
            error = None if task.cancelled() else task.exception()
            log.error("loop ended", loop=task.get_name(), error=repr(error), exc_info=error)
            self.crashed.set()

    async def stop(self, *names: str) -> None:
        """Cancel the named loops, or all, and wait for them."""
        stopping = [self._tasks.pop(name) for name in names or tuple(self._tasks) if name in self._tasks]
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)
