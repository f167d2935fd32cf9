"""Group commit: items that arrive while a batch is processed, or shortly after it, form the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

from duebook_common.runtime.loops import detect_lost_connection

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)  # not frozen: a frozen one takes three times as long to make
class _Submission(Generic[T, R]):
    item: T
    identity: object
    result: "asyncio.Future[R]"

    def resolve(self, result: R | Exception) -> None:
        if self.result.done():  # its submitter was cancelled
            return
        if isinstance(result, Exception):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)


class Batcher(Generic[T, R]):
    """Processes items in batches of at most `max_size`, one batch at a time.

    `process` returns one result for each item, in order; an Exception among the results is raised for its item alone.
    No two items of a batch have the same `identity`: the later one waits for the next batch. Without `identity` all
    items are distinct. A batch of fewer than `enough` items begins at the earliest `interval` seconds after the one
    before, so that a steady flow makes larger ones. The first after a while begins at once.
    """

    def __init__(
        self,
        process: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        max_size: int = 200,
        identity: Callable[[T], object] = lambda _: object(),
        interval: float = 0.0,
        enough: int = 1,
    ) -> None:
        self._process, self._max_size, self._identity = process, max_size, identity
        self._interval, self._enough, self._begun_at = interval, min(enough, max_size), -inf
        self._has_enough = asyncio.Event()
        self._waiting: list[_Submission[T, R]] = []
        self._worker: asyncio.Task[None] | None = None

    async def wait_idle(self) -> None:
        """Wait until no item waits or is processed."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def submit(self, item: T) -> R:
        """The result of the item; raises its error, or that of its whole batch."""
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        submission = _Submission(item, self._identity(item), result)
        self._waiting.append(submission)
        if len(self._waiting) >= self._enough:
            self._has_enough.set()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await submission.result

    async def _work(self) -> None:
        while self._waiting:
            await self._gather()
            batch = self._next_batch()
            for submission, result in await self._results(batch):
                submission.resolve(result)
        self._worker = None

    async def _gather(self) -> None:
        """Wait for enough items, or until the interval has passed."""
        loop = asyncio.get_running_loop()
        begin_at = self._begun_at + self._interval
        if begin_at > loop.time() and len(self._waiting) < self._enough:
            self._has_enough.clear()
            timer = loop.call_at(begin_at, self._has_enough.set)
            try:
                await self._has_enough.wait()
            finally:
                timer.cancel()
        self._begun_at = loop.time()

    def _next_batch(self) -> list[_Submission[T, R]]:
        """Take the `max_size` oldest submissions that may share a batch."""
        batch: dict[object, _Submission[T, R]] = {}
        oldest = self._waiting[: self._max_size]
        self._waiting[: self._max_size] = [each for each in oldest if batch.setdefault(each.identity, each) is not each]
        return list(batch.values())

    async def _results(self, batch: Sequence[_Submission[T, R]]) -> list[tuple[_Submission[T, R], R | Exception]]:
        try:
            results = await detect_lost_connection(self._process([each.item for each in batch]))
            return list(zip(batch, results, strict=True))
        except Exception as error:  # of any kind: the next batch must still be processed
            return [(each, error) for each in batch]
