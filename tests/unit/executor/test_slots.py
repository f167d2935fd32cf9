"""Slots: attempts that wait for their instant take none if one will be free soon after it."""

import asyncio

import pytest

from duebook_executor import slots as module
from duebook_executor.slots import NoSlot, Slots


async def slots_in_use(concurrency: int, in_use: int) -> Slots:
    slots = Slots(concurrency)
    for _ in range(in_use):
        await slots.acquire()
    return slots


async def test_an_attempt_of_an_unknown_task_keeps_its_slot() -> None:
    slots = await slots_in_use(1, 1)
    assert not slots.hold("t")


async def test_an_attempt_of_a_short_task_gives_its_slot_back() -> None:
    slots = await slots_in_use(1, 1)
    slots.note_duration("t", 0.001)
    assert slots.hold("t")
    async with asyncio.timeout(30):
        await slots.acquire()


async def test_a_crowd_of_a_short_task_is_held_up_to_a_hundred_for_each_slot() -> None:
    slots = await slots_in_use(2, 2)
    slots.note_duration("t", 0.01)
    assert slots.short_tasks() == ["t"]
    assert sum(slots.hold("t") for _ in range(300)) == 200
    slots.stop_holding()
    assert slots.hold("t")


async def test_attempts_are_held_as_long_as_their_payloads_fit_into_memory() -> None:
    slots, size = await slots_in_use(1, 1), module.HELD_BYTES // 3
    slots.note_duration("t", 0.01)
    assert [slots.hold("t", size) for _ in range(4)] == [True, True, True, False]
    assert slots.hold("t", 1), "what is small still fits"
    slots.stop_holding(size)
    assert slots.hold("t", size)


async def test_no_more_work_is_held_than_the_slots_soon_do() -> None:
    slots = await slots_in_use(2, 2)
    slots.note_duration("t", 0.05)
    assert slots.short_tasks() == []
    assert sum(slots.hold("t") for _ in range(100)) == 4


async def test_an_attempt_of_a_long_task_keeps_its_slot_also_as_the_only_one() -> None:
    slots = await slots_in_use(1, 1)
    slots.note_duration("t", 60)
    assert not slots.hold("t")


async def test_a_longer_duration_counts_at_once_and_a_shorter_one_by_and_by() -> None:
    slots = await slots_in_use(1, 1)
    for seconds in (0.001, 60, 0.001):
        slots.note_duration("t", seconds)
    assert not slots.hold("t")
    for _ in range(100):
        slots.note_duration("t", 0.001)
    assert slots.hold("t")


async def test_a_held_attempt_waits_for_a_slot_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = await slots_in_use(1, 1)
    monkeypatch.setattr(module, "_LONGEST_WAIT_SECONDS", 0.01)
    with pytest.raises(NoSlot):
        await slots.acquire_again()
    slots.release()
    await slots.acquire_again()


async def test_what_can_wait_waits_until_a_crowd_has_begun() -> None:
    slots = await slots_in_use(1, 1)
    async with asyncio.timeout(60):
        await slots.let_crowd_begin()
        crowd = [asyncio.create_task(slots.acquire_again()) for _ in range(3)]
        await asyncio.sleep(0)
        for attempt in crowd:
            attempt.add_done_callback(lambda _: slots.release())
        slots.release()
        await slots.let_crowd_begin()
    assert all(attempt.done() for attempt in crowd)


async def test_nothing_waits_for_a_crowd_that_gets_no_slots() -> None:
    slots = await slots_in_use(1, 1)
    waiting = asyncio.create_task(slots.acquire_again())
    await asyncio.sleep(0)
    await slots.let_crowd_begin()
    assert not waiting.done()
    waiting.cancel()
