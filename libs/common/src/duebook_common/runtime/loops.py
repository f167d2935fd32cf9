"""Background loops of a service: all have one shape and are supervised. A loop that ends is a crash of its service."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from duebook_common.runtime.telemetry import LOOP_FAILURES

log = structlog.stdlib.get_logger("loops")

T = TypeVar("T")

Pause = timedelta | Callable[[], timedelta]

_LONGEST_RETRY_PAUSE = 5.0  # seconds


async def run_every(
    name: str,
    pause: Pause,
    step: Callable[[], Awaitable[int]],
    wake: asyncio.Event | None = None,
    longest: float = _LONGEST_RETRY_PAUSE,
) -> None:
    """Repeat `step` until cancelled: at once while it returns more than 0, else after the pause or when `wake` is set.

    A failed step is logged, counted and retried; the pauses before retries double from 0.2 s up to `longest` seconds.
    """
    wake = wake or asyncio.Event()
    failures = 0
    LOOP_FAILURES.labels(name)
    while True:
        wake.clear()  # before the step, never after it: a hint that arrives during the step must not get lost
        try:
            found = await detect_lost_connection(step())
            failures = 0
        except Exception as error:
            failures += 1
            count_failure(name)
            log.warning("loop step failed", loop=name, error=error, failures=failures, exc_info=failures == 1)
            await asyncio.sleep(min(0.1 * 2 ** min(failures, 10), longest))
            continue
        if not found:
            await _wait(wake, (pause() if callable(pause) else pause).total_seconds())


def count_failure(name: str) -> None:
    """Count that a step of the loop has failed, for one that goes on from there by itself."""
    LOOP_FAILURES.labels(name).inc()


async def _wait(wake: asyncio.Event, seconds: float) -> None:
    """Wait until `wake` is set, which this does itself after so many seconds.

    A loop clears it before each step. To be cancelled by a timeout costs a loop at rest three times as much.
    """
    timer = asyncio.get_running_loop().call_later(max(seconds, 0), wake.set)
    try:
        await wake.wait()
    finally:
        timer.cancel()


async def wait_until_set(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most so many seconds."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        pass


async def detect_lost_connection(work: Awaitable[T]) -> T:
    """Await the work; raise ConnectionError for a CancelledError without a request to cancel this task.

    aiormq cancels the futures of pending confirms when their connection is lost, so the loss surfaces as a bare
    CancelledError. A loop would end by it silently.
    """
    try:
        return await work
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling() == 0:
            raise ConnectionError("the connection was lost before its answer arrived") from error
        raise


class Loops:
    """The running loops of a service. `crashed` is set when one of them ends without `stop`."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self.crashed = asyncio.Event()

    def start(self, name: str, loop: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(loop, name=name)
        task.add_done_callback(self._on_end)
        self._tasks[name] = task

    def _on_end(self, task: asyncio.Task[Any]) -> None:
        if self._tasks.get(task.get_name()) is task:  # `stop` removes a task before it cancels it
            error = None if task.cancelled() else task.exception()
            log.error("loop ended", loop=task.get_name(), error=error, exc_info=error)
            self.crashed.set()

    async def stop(self, *names: str) -> None:
        """Cancel the named loops, or all without names, and wait until they have ended."""
        stopping = [self._tasks.pop(name) for name in names or tuple(self._tasks) if name in self._tasks]
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)
