"""Calls of functions in the event loop of another thread."""

import asyncio
from collections import deque
from collections.abc import Callable


class LoopCalls:
    """Calls functions in one event loop, in order, from any thread.

    The loop is woken once for all calls that come before it looks: a wake-up costs a system call, and the interpreter
    then changes threads.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._waiting, self._woken = loop, deque[Callable[[], object]](), False

    def call(self, function: Callable[[], object]) -> None:
        """Call the function soon; a closed loop calls nothing."""
        self._waiting.append(function)
        if not self._woken and not self._loop.is_closed():
            self._woken = True
            self._loop.call_soon_threadsafe(self._call_waiting)

    def _call_waiting(self) -> None:
        self._woken = False  # first: a call that comes from here on wakes the loop again, or is among those below
        for _ in range(len(self._waiting)):
            self._loop.call_soon(self._waiting.popleft())
