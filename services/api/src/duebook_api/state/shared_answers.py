"""Answers that many viewers ask for at once: one question to the database serves all who ask this process in a second.

The key names all that an answer depends on. Whether the reader may see the answer is decided before.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

_AGE = 1.0  # seconds for which an answer serves everyone
_MOST = 200  # answers that are kept


@dataclass(slots=True)
class _Answer:
    task: "asyncio.Task[Any]"
    until: float = float("inf")  # while it is being computed


class SharedAnswers:
    """The last answers by key. The callers share an answer, so none may change it."""

    def __init__(self, age: float = _AGE, most: int = _MOST) -> None:
        self._age, self._most = age, most
        self._answers: dict[Hashable, _Answer] = {}

    def __len__(self) -> int:
        return len(self._answers)

    async def read(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """The kept answer, or that of `compute`, which callers with the same key wait for together; raises its error.

        A caller that is cancelled does not cancel what others wait for. An error is not kept.
        """
        answer = self._answers.get(key)
        if answer is None or answer.until <= time.monotonic():
            answer = self._begin(key, compute)
        found: T = await asyncio.shield(answer.task)
        return found

    def _begin(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> _Answer:
        self._answers.pop(key, None)
        while len(self._answers) >= self._most:
            del self._answers[next(iter(self._answers))]
        answer = self._answers[key] = _Answer(asyncio.ensure_future(_awaited(compute)))
        answer.task.add_done_callback(partial(self._end, key, answer))
        return answer

    def _end(self, key: Hashable, answer: _Answer, task: "asyncio.Task[Any]") -> None:
        answer.until = time.monotonic() + self._age
        if task.cancelled() or task.exception() is not None:
            self._forget(key, answer)
        else:
            asyncio.get_running_loop().call_later(self._age, self._forget, key, answer)

    def _forget(self, key: Hashable, answer: _Answer) -> None:
        if self._answers.get(key) is answer:
            del self._answers[key]


async def _awaited(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()
