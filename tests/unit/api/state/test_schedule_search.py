"""Searches that take long run beside the event loop, one at a time."""

import asyncio
import threading

from duebook_api.state.schedule_search import ScheduleSearch


async def test_a_long_search_lets_the_event_loop_go_on() -> None:
    answered = threading.Event()
    search = asyncio.create_task(ScheduleSearch().run(True, answered.wait, 30))
    await asyncio.sleep(0)
    answered.set()  # by the event loop, while the search waits for it
    assert await search


async def test_long_searches_run_one_at_a_time() -> None:
    search, active, most = ScheduleSearch(), set[int](), 0

    def count(number: int) -> int:
        nonlocal most
        active.add(number)
        most = max(most, len(active))
        active.remove(number)
        return number

    assert await asyncio.gather(*(search.run(True, count, n) for n in range(50))) == list(range(50))
    assert most == 1


async def test_a_reserved_search_keeps_others_waiting_and_a_short_one_waits_for_none() -> None:
    search = ScheduleSearch()
    async with search.reserved(True):
        waiting = asyncio.create_task(search.run(True, int, "1"))
        assert await search.run(False, int, "2") == 2
        async with search.reserved(False):
            assert not waiting.done()
    assert await waiting == 1
