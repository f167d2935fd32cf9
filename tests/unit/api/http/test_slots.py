import asyncio
from contextlib import AsyncExitStack

from duebook_api.http.slots import SharedSlots


async def test_a_client_that_holds_its_slots_leaves_the_others_to_the_rest() -> None:
    slots = SharedSlots(3, 2)
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(slots.slot("slow"))
        waiting = [asyncio.create_task(held.enter_async_context(slots.slot("slow"))) for _ in range(5)]
        await asyncio.sleep(0)
        async with asyncio.timeout(30), slots.slot("other"):
            assert not any(each.done() for each in waiting)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert slots._clients == {}


async def test_a_slot_that_becomes_free_goes_to_the_next_of_its_client() -> None:
    slots, order = SharedSlots(3, 1), list[int]()

    async def use(number: int) -> None:
        async with slots.slot("a client"):
            order.append(number)
            await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await asyncio.gather(*map(use, range(5)))
    assert order == [*range(5)]
