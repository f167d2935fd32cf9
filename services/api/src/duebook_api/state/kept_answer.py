"""One answer that all who ask this process share. It is made anew so seldom that making it costs little."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

_SHARE = 0.05  # of the time is spent on making answers: the database of a full system is slow to count
_SHARE_OF_CHANGES = 0.2  # where each answer is out of date as soon as it is there
_LONGEST = 30.0  # seconds: an answer may be slow because of an outage, and then the next ones are needed soon


def kept_for(took: float, least: float, longest: float = _LONGEST) -> float:
    """The seconds, from `least` to `longest`, for which an answer serves that `took` seconds to make."""
    return max(least, min(took / _SHARE, longest))


class KeptAnswer(Generic[T]):
    """The last answer, and the lock under which the next is made. The callers share it, so none may change it."""

    def __init__(self, age: float = 1.0, note_old: Callable[[float], None] | None = None) -> None:
        """A quick answer serves for `age` seconds.

        `note_old` is called with the time by `time.monotonic()` until which an answer of another state serves, so that
        those who have got it can be told to ask again.
        """
        self._age, self._note_old, self._lock = age, note_old, asyncio.Lock()
        self._kept: tuple[T] | None = None
        self._until = self._until_changed = 0.0
        self._state: Hashable = None

    async def read(self, make: Callable[[], Awaitable[T]], state: Hashable = None) -> T:
        """The kept answer, or that of `make`; raises its error.

        One that was made in another `state` serves no more, except for four times as long as it took.
        """
        async with self._lock:
            began = time.monotonic()
            if self._kept is None or began >= (self._until if state == self._state else self._until_changed):
                self._kept, self._state = (await make(),), state
                ended = time.monotonic()
                self._until = ended + kept_for(ended - began, self._age)
                self._until_changed = ended + (ended - began) * (1 / _SHARE_OF_CHANGES - 1)
            elif state != self._state and self._note_old is not None:
                self._note_old(self._until_changed)
            return self._kept[0]
