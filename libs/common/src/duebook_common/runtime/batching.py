"""Group commit: whoever arrives while a batch is under way joins the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from duebook_common.runtime.loops import guarded

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Carries items out in batches, one batch at a time, as many items in it as came meanwhile."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]], most: int = 200) -> None:
        self._work, self._most = work, most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def drained(self) -> None:
        """Wait until nothing is under way, and nothing waits."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def submit(self, item: T) -> R:
        """The answer to one item; raises what the batch raised."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._worker is None:
            self._worker = asyncio.create_task(self._drain())
        return await answer

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                answers = await guarded(self._work([item for item, _ in batch]))
                answered = list(zip(batch, answers, strict=True))
            except Exception as error:  # whatever it was, the next batch must go on
                _fail([answer for _, answer in batch], error)
            else:
                for (_, waiting), answer in answered:
                    if not waiting.done():
                        waiting.set_result(answer)
        self._worker = None


def _fail(waiting: Sequence["asyncio.Future[R]"], error: Exception) -> None:
    for answer in waiting:
        if not answer.done():
            answer.set_exception(error)
