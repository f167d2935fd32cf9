"""Answers that many ask for at once: one question to the database serves all who ask this process for some time.

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
    """The last answers by key. The callers share an answer, so none may change it.

    An error serves everyone for `age_of_failure` seconds: without them, only those who wait for it.
    """

    def __init__(self, age: float = _AGE, most: int = _MOST, age_of_failure: float = 0.0) -> None:
        self._age, self._most, self._age_of_failure = age, most, age_of_failure
        self._answers: dict[Hashable, _Answer] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: Hashable) -> "asyncio.Task[Any] | None":
        """The answer that is kept, or being computed."""
        answer = self._answers.get(key)
        return None if answer is None or answer.task.cancelled() else answer.task

    async def read(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        """The kept answer, or that of `compute`, which callers with the same key wait for together; raises its error.

        A caller that is cancelled does not cancel what others wait for.
        """
        answer = self._answers.get(key)
        is_old = answer is None or answer.until <= time.monotonic()
        task = self.begin(key, compute) if answer is None or is_old else answer.task
        found: T = await asyncio.shield(task)
        return found

    def begin(self, key: Hashable, compute: Callable[[], Awaitable[Any]]) -> "asyncio.Task[Any]":
        """Compute the answer anew. Where too many are kept, the oldest ones are forgotten."""
        self._answers.pop(key, None)
        while len(self._answers) >= self._most:
            del self._answers[next(iter(self._answers))]
        answer = self._answers[key] = _Answer(asyncio.ensure_future(_awaited(compute)))
        answer.task.add_done_callback(partial(self._end, key, answer))
        return answer.task

    def _end(self, key: Hashable, answer: _Answer, task: "asyncio.Task[Any]") -> None:
        failed = task.cancelled() or task.exception() is not None
        age = self._age_of_failure if failed else self._age
        answer.until = time.monotonic() + age
        asyncio.get_running_loop().call_later(age, self._forget, key, answer)

    def _forget(self, key: Hashable, answer: _Answer) -> None:
        if self._answers.get(key) is answer:
            del self._answers[key]


async def _awaited(compute: Callable[[], Awaitable[T]]) -> T:
    return await compute()
