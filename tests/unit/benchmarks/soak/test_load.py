"""The load keeps its rate, and knows how late each of its requests was."""

import asyncio
import time

import pytest

from benchmarks.soak.load import SERIES_SHARE, TICK, Load, created_by


@pytest.mark.parametrize("rate", [1, 7, 100, 300, 333.3])
def test_a_part_of_a_job_is_carried_to_the_next_tick(rate: float) -> None:
    ticks = round(3600 / TICK)
    assert created_by(rate, ticks) == pytest.approx(rate * (1 - 1 / SERIES_SHARE) * 3600, abs=1)


class SlowLoad(Load):
    """Its third request takes half a second."""

    async def _post(self, path: str, body: dict[str, object]) -> None:
        if len(self.posts) == 2:
            await asyncio.sleep(0.5)


async def test_requests_that_wait_for_a_slow_one_are_late_themselves() -> None:
    load = SlowLoad("http://localhost", 300, time.monotonic())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(load.run())
        while len(load.posts) < 6:
            await asyncio.sleep(0.02)
        load.stop()
    sent = [sent for _, sent, _ in load.posts]
    answered = [answered for _, _, answered in load.posts]
    assert answered[2] >= 500
    assert sent[3] >= 390
    assert sent[4] >= 290
    planned = [planned for planned, _, _ in load.posts[:5]]
    assert planned == pytest.approx([planned[0] + n * TICK for n in range(5)], abs=0.11)
