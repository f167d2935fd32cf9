"""Work in a process of its own: what comes back, and how the process ends."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from duebook_api.http.problems import Problem
from duebook_api.state.side_process import SideProcess, SideProcessFailed
from duebook_common.store.database import connect
from support.bookkeeping import eventually
from support.side_work import describe, die, refuse, stop, wait

_LOCKED = """
SELECT EXISTS (
    SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND objid = 4711 AND granted
)
"""
_CHILD = """
import asyncio
from duebook_api.state.side_process import SideProcess, SideProcessFailed
from support.side_work import describe
async def main():
    print((await SideProcess({url!r}).run(describe, 1))[0], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


def is_running(process: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def ends(process: int) -> None:
    async def has_ended() -> bool:
        return not is_running(process)

    await eventually(has_ended)


async def test_work_is_done_by_one_other_process_of_a_lower_priority(postgres_url: str) -> None:
    side = SideProcess(postgres_url)
    first, second = await side.run(describe, 1), await side.run(describe, 2)
    assert (first[0], first[2], second[2]) == (second[0], 2, 3)
    assert first[0] != os.getpid()
    assert first[1] == min(19, 10 + os.getpriority(os.PRIO_PROCESS, 0))


async def test_a_refusal_comes_back_with_all_it_says(postgres_url: str) -> None:
    with pytest.raises(Problem, match="too far") as refused:
        await SideProcess(postgres_url).run(refuse)
    assert (refused.value.status, refused.value.code) == (422, "invalid")
    assert [fault.pointer for fault in refused.value.faults] == ["/to", "/from"]


@pytest.fixture
def _slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a process has ended may be noticed late."""
    monkeypatch.setattr("duebook_api.state.side_process._AT_ONCE", 60.0)


@pytest.mark.usefixtures("_slow_machine")
async def test_an_idle_process_ends_and_the_next_work_starts_another(postgres_url: str) -> None:
    side = SideProcess(postgres_url, idle=1)
    first = (await side.run(describe, 1))[0]
    await ends(first)
    assert (await side.run(describe, 1))[0] != first


@pytest.mark.usefixtures("_slow_machine")
async def test_a_process_that_was_killed_is_replaced(postgres_url: str) -> None:
    side = SideProcess(postgres_url)
    first = (await side.run(describe, 1))[0]
    os.kill(first, 9)  # and at once, before its end is known
    assert (await side.run(describe, 1))[0] != first


async def test_work_that_ends_its_process_is_not_tried_again(postgres_url: str) -> None:
    with pytest.raises(SideProcessFailed, match="has ended"):
        await SideProcess(postgres_url).run(die, 1.5)


async def test_a_process_that_stands_still_is_killed_and_replaced(postgres_url: str) -> None:
    side = SideProcess(postgres_url)
    first = (await side.run(describe, 1))[0]
    with pytest.raises(SideProcessFailed, match="not ready after 1 s"):
        await SideProcess(postgres_url, longest=1).run(stop)
    await ends(first)
    assert (await side.run(describe, 1))[2] == 2


async def test_work_that_is_cancelled_ends_with_its_process(postgres_url: str) -> None:
    async with connect(postgres_url, "test") as pool:

        async def has_begun() -> bool:
            return bool(await pool.fetchval(_LOCKED))

        async def has_ended() -> bool:
            return not await has_begun()

        work = asyncio.create_task(SideProcess(postgres_url).run(wait))
        await eventually(has_begun)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await eventually(has_ended)


async def test_the_process_ends_with_the_one_that_it_works_for(postgres_url: str) -> None:
    command = [sys.executable, "-c", _CHILD.format(url=postgres_url)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        side = int(await asyncio.to_thread(parent.stdout.readline))
        assert is_running(side)
        parent.kill()
    await ends(side)
