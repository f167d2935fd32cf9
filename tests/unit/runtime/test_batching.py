import asyncio
from collections.abc import Sequence

import pytest

from duebook_common.runtime.batching import Batcher


class Desk:
    """Work that goes on when the test says so, and remembers what came in which batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def work(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.begun.set()
        await self.go_on.wait()
        return [item * 10 for item in items]


async def test_whoever_comes_during_a_batch_shares_the_next() -> None:
    desk = Desk()
    batcher = Batcher(desk.work)
    first = asyncio.create_task(batcher.submit(1))
    await desk.begun.wait()
    others = [asyncio.create_task(batcher.submit(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0)
    desk.go_on.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40]
    assert desk.batches == [[1], [2, 3, 4]]


async def test_no_batch_is_larger_than_the_most() -> None:
    desk = Desk()
    desk.go_on.set()
    batcher = Batcher(desk.work, most=2)
    assert await asyncio.gather(*(batcher.submit(item) for item in range(5))) == [0, 10, 20, 30, 40]
    assert [len(batch) for batch in desk.batches] == [2, 2, 1]


async def test_a_failed_batch_fails_its_members_and_no_later_one() -> None:
    async def work(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise OSError("no")
        return list(items)

    batcher = Batcher(work, most=2)
    answers = await asyncio.gather(*(batcher.submit(item) for item in (1, 2, 13, 4, 5)), return_exceptions=True)
    assert [isinstance(answer, OSError) for answer in answers] == [False, False, True, True, False]
    assert await batcher.submit(6) == 6


async def test_one_that_gives_up_waiting_costs_the_others_nothing() -> None:
    desk = Desk()
    batcher = Batcher(desk.work)
    waiting = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
    await desk.begun.wait()
    waiting[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    desk.go_on.set()
    assert await waiting[1] == 20
    assert await batcher.submit(3) == 30


@pytest.mark.parametrize("answers", [[], [1, 2, 3]])
async def test_a_wrong_number_of_answers_is_an_error_and_not_silence(answers: list[int]) -> None:
    async def work(_: Sequence[int]) -> list[int]:
        return answers

    batcher = Batcher(work)
    async with asyncio.timeout(5):
        with pytest.raises(ValueError, match=r"zip|answers"):
            await batcher.submit(1)
        with pytest.raises(ValueError, match=r"zip|answers"):
            await batcher.submit(1)


async def test_a_connection_that_dies_under_a_batch_fails_it_and_the_next_goes_on() -> None:
    """As a bare CancelledError that nobody asked for."""
    died: list[int] = []

    async def work(items: Sequence[int]) -> list[int]:
        if not died:
            died.extend(items)
            raise asyncio.CancelledError
        return list(items)

    batcher = Batcher(work)
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionError):
            await batcher.submit(1)
        assert await batcher.submit(2) == 2
