"""Work that takes seconds of CPU, in a process of its own: in a thread it would keep requests from the interpreter."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar, TypeVarTuple

from anyio import BrokenWorkerProcess, to_process

from duebook_common.store.database import Pool, connect

T = TypeVar("T")
Args = TypeVarTuple("Args")

_IDLE = 150  # seconds, longer than the overview keeps its forecast: so one that is watched starts no process each time
_LONGEST = 300.0  # seconds of one work: something may have stopped the process
_AT_ONCE = 1.0  # seconds: a process that was idle may have ended in the moment in which it was asked
_NICENESS = 10  # on full cores it gets a tenth of what requests get


class SideProcessFailed(Exception):
    """What was asked for is not there: the process has died or stands still; `args` say which."""


class SideProcess:
    """Runs coroutines on a database connection of a process of its own, which ends when it is idle or this one ends.

    It starts with the first work, which takes half a second. What is passed and returned is pickled.
    """

    def __init__(self, postgres_url: str, idle: int = _IDLE, longest: float = _LONGEST) -> None:
        self._url, self._idle, self._longest = postgres_url, idle, longest

    async def run(self, work: Callable[[Pool, *Args], Awaitable[T]], *args: *Args) -> T:
        """What `work` returns or raises; `work` is a function of a module.

        Raises SideProcessFailed after five minutes, or if the process dies. The process is killed then, and if this is
        cancelled.
        """
        began = time.monotonic()
        ask = partial(to_process.run_sync, _run, self._url, self._idle, work, args, cancellable=True)
        try:
            async with asyncio.timeout(self._longest) as limit:
                try:
                    return await ask()
                except BrokenWorkerProcess:
                    if time.monotonic() - began > _AT_ONCE:
                        raise  # what it was doing may have ended it, and would again
                    return await ask()
        except BrokenWorkerProcess:
            raise SideProcessFailed("the process that computed it has ended") from None
        except TimeoutError:
            if not limit.expired():
                raise  # it is of the database
            raise SideProcessFailed(f"it was not ready after {self._longest:.0f} s") from None


def _run(url: str, idle: int, work: Callable[[Pool, *Args], Awaitable[T]], args: tuple[*Args]) -> T:
    """In the other process."""
    signal.alarm(0)
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, os.getppid()) + _NICENESS)
    try:
        return asyncio.run(_connected(url, work, args))
    finally:
        signal.alarm(idle)  # the signal ends it


async def _connected(url: str, work: Callable[[Pool, *Args], Awaitable[T]], args: tuple[*Args]) -> T:
    async with connect(url, "api", size=1) as pool:
        return await work(pool, *args)
