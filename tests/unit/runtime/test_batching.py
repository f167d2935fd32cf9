import asyncio
from collections.abc import Sequence

import pytest

from duebook_common.runtime.batching import Batcher


class Processor:
    """Multiplies by ten once the test releases it, and records the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.started = asyncio.Event()
        self.released = asyncio.Event()

    async def process(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.started.set()
        await self.released.wait()
        return [item * 10 for item in items]


async def test_items_that_arrive_during_a_batch_share_the_next() -> None:
    processor = Processor()
    batcher = Batcher(processor.process)
    first = asyncio.create_task(batcher.submit(1))
    await processor.started.wait()
    others = [asyncio.create_task(batcher.submit(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0)
    processor.released.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40]
    assert processor.batches == [[1], [2, 3, 4]]


async def test_no_batch_exceeds_its_maximum_size() -> None:
    processor = Processor()
    processor.released.set()
    batcher = Batcher(processor.process, max_size=2)
    assert await asyncio.gather(*(batcher.submit(item) for item in range(5))) == [0, 10, 20, 30, 40]
    assert [len(batch) for batch in processor.batches] == [2, 2, 1]


async def test_items_that_follow_a_batch_closely_are_gathered_until_they_are_enough() -> None:
    processor = Processor()
    processor.released.set()
    batcher = Batcher(processor.process, interval=60, enough=3)
    async with asyncio.timeout(30):
        assert await batcher.submit(1) == 10, "the first is processed at once"
        assert await asyncio.gather(*map(batcher.submit, (2, 3, 4))) == [20, 30, 40]
        assert await asyncio.gather(*map(batcher.submit, (5, 6, 7, 8))) == [50, 60, 70, 80]
    assert processor.batches == [[1], [2, 3, 4], [5, 6, 7, 8]]


async def test_fewer_items_wait_for_the_interval_after_the_last_batch() -> None:
    processor = Processor()
    processor.released.set()
    batcher, clock = Batcher(processor.process, interval=0.2, enough=3), asyncio.get_running_loop().time
    async with asyncio.timeout(20):
        began = clock()
        await batcher.submit(1)
        assert await asyncio.gather(*map(batcher.submit, (2, 3))) == [20, 30]
    assert processor.batches == [[1], [2, 3]]
    assert clock() - began > 0.19


async def test_an_error_among_the_results_is_raised_for_its_item_alone() -> None:
    async def process(items: Sequence[int]) -> list[int | Exception]:
        return [OSError("no") if item == 13 else item for item in items]

    batcher: Batcher[int, int] = Batcher(process)
    results = await asyncio.gather(*(batcher.submit(item) for item in (1, 13, 2)), return_exceptions=True)
    assert [isinstance(result, OSError) for result in results] == [False, True, False]


async def test_a_failed_batch_fails_its_items_and_no_later_ones() -> None:
    async def process(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise OSError("no")
        return list(items)

    batcher: Batcher[int, int] = Batcher(process, max_size=2)
    results = await asyncio.gather(*(batcher.submit(item) for item in (1, 2, 13, 4, 5)), return_exceptions=True)
    assert [isinstance(result, OSError) for result in results] == [False, False, True, True, False]
    assert await batcher.submit(6) == 6


async def test_a_cancelled_submitter_does_not_affect_the_other_items() -> None:
    processor = Processor()
    batcher = Batcher(processor.process)
    submitters = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
    await processor.started.wait()
    submitters[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitters[0]
    processor.released.set()
    assert await submitters[1] == 20
    assert await batcher.submit(3) == 30


@pytest.mark.parametrize("results", [[], [1, 2, 3]])
async def test_a_wrong_number_of_results_is_an_error(results: list[int]) -> None:
    async def process(_: Sequence[int]) -> list[int]:
        return results

    batcher: Batcher[int, int] = Batcher(process)
    async with asyncio.timeout(30):
        for item in (1, 2):
            with pytest.raises(ValueError, match="zip"):
                await batcher.submit(item)


async def test_a_connection_lost_during_a_batch_fails_it_and_not_the_next() -> None:
    """The library raises a bare CancelledError then, although nothing cancelled the task."""
    lost: list[int] = []

    async def process(items: Sequence[int]) -> list[int]:
        if not lost:
            lost.extend(items)
            raise asyncio.CancelledError
        return list(items)

    batcher: Batcher[int, int] = Batcher(process)
    async with asyncio.timeout(30):
        with pytest.raises(ConnectionError):
            await batcher.submit(1)
        assert await batcher.submit(2) == 2


async def test_wait_idle_returns_once_no_item_is_left() -> None:
    processor = Processor()
    batcher = Batcher(processor.process)
    async with asyncio.timeout(30):
        await batcher.wait_idle()
        submitter = asyncio.create_task(batcher.submit(1))
        await processor.started.wait()
        idle = asyncio.create_task(batcher.wait_idle())
        await asyncio.sleep(0)
        assert not idle.done()
        processor.released.set()
        await idle
    assert await submitter == 10


async def test_items_with_one_identity_never_share_a_batch() -> None:
    processor = Processor()
    batcher: Batcher[int, int] = Batcher(processor.process, identity=lambda item: item)
    processor.released.set()
    async with asyncio.timeout(30):
        assert await asyncio.gather(*map(batcher.submit, (1, 2, 1, 3, 1))) == [10, 20, 10, 30, 10]
    assert processor.batches == [[1, 2, 3], [1], [1]]
