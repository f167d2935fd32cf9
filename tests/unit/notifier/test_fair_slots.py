"""Slots go to each job in turn, and none is lost."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from duebook_notifier.fair_slots import FairSlots


async def serve(size: int, keys: list[str]) -> list[str]:
    """Ask for a slot for each key, all at once; returns the order in which they were served."""
    slots, served = FairSlots(size), list[str]()

    async def work(key: str) -> None:
        async with slots.slot(key):
            served.append(key)
            await asyncio.sleep(0)

    await asyncio.gather(*map(work, keys))
    return served


async def test_a_job_with_many_mails_delays_another_one_by_one_mail() -> None:
    served = await serve(1, ["many"] * 100 + ["other"] * 2)
    assert served[:5] == ["many", "many", "other", "many", "other"]


async def test_many_jobs_share_the_slots() -> None:
    keys = [key for key in "abcde" for _ in range(10)]
    assert "".join(await serve(1, keys))[10:15] == "eabcd"


async def test_who_is_cancelled_while_waiting_holds_no_slot() -> None:
    slots = FairSlots(1)
    async with slots.slot("a"):
        waiting = [asyncio.create_task(slots._acquire(key)) for key in "bc"]
        await asyncio.sleep(0)
        waiting[0].cancel()
    await asyncio.wait_for(waiting[1], 5)
    granted = asyncio.create_task(slots._acquire("d"))
    await asyncio.sleep(0)
    slots._release()
    granted.cancel()
    await asyncio.gather(granted, return_exceptions=True)
    async with asyncio.timeout(5), slots.slot("e"):
        pass


@given(st.integers(1, 5), st.lists(st.sampled_from("abc"), max_size=30))
def test_each_is_served_once(size: int, keys: list[str]) -> None:
    assert sorted(asyncio.run(serve(size, keys))) == sorted(keys)
