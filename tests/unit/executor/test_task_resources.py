"""Resources live as long as the loop of tasks in which they were opened."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from duebook.open_resources import ResourceFailed
from duebook.outcomes import TaskFailure, TaskSuccess
from duebook.resources import Resource, ResourceRegistry
from duebook_executor import task_loop
from duebook_executor.task_loop import TaskLoop
from support.executions import SHORT, close_loop, run_task


class Pool:
    def __init__(self) -> None:
        self.loop, self.closed = asyncio.get_running_loop(), False


def a_pool(opened: list[Pool]) -> ResourceRegistry:
    async def pool() -> AsyncIterator[Pool]:
        own = Pool()
        opened.append(own)
        yield own
        own.closed = True

    registry = ResourceRegistry()
    registry.add(Resource.of(pool))
    return registry


async def test_tasks_of_both_kinds_share_a_resource_that_a_shutdown_closes() -> None:
    opened: list[Pool] = []
    resources = a_pool(opened)
    loop = TaskLoop(resources)

    async def asynchronous(pool: Pool) -> bool:
        return pool.loop is asyncio.get_running_loop()

    def plain(pool: Pool) -> bool:
        return pool.closed

    assert await run_task(loop, plain, resources=resources) == TaskSuccess(result=False)
    assert await run_task(loop, asynchronous, resources=resources) == TaskSuccess(result=True)
    assert len(opened) == 1
    await loop.close()
    assert opened[0].closed
    await close_loop(loop._current.loop)


async def test_a_replaced_loop_opens_resources_anew_and_closes_the_old_ones_when_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(task_loop, "_BLOCKED_SECONDS", 0.01)
    opened: list[Pool] = []
    resources, begun, may_end = a_pool(opened), threading.Event(), threading.Event()
    loop = TaskLoop(resources)

    async def blocking(pool: Pool) -> None:
        begun.set()
        may_end.wait(30)

    async def own_pool(pool: Pool) -> bool:
        return pool.loop is asyncio.get_running_loop()

    await run_task(loop, blocking, timeout=SHORT, resources=resources, begun=begun)
    blocked = loop._current
    while loop._current is blocked:
        loop.replace_if_blocked()
        await asyncio.sleep(0.005)
    assert await run_task(loop, own_pool, resources=resources) == TaskSuccess(result=True)
    assert (len(opened), opened[0].closed) == (2, False)
    may_end.set()
    monkeypatch.setattr(task_loop, "_BLOCKED_SECONDS", 10)
    async with asyncio.timeout(30):
        while not opened[0].closed:
            loop.replace_if_blocked()
            await asyncio.sleep(0.005)
    assert not opened[1].closed
    await loop.close()
    for each in (blocked, loop._current):
        await close_loop(each.loop)


async def test_a_resource_that_cannot_open_fails_the_attempt_and_the_start() -> None:
    async def broken() -> AsyncIterator[Pool]:
        raise ConnectionRefusedError("no server")
        yield

    resources = ResourceRegistry()
    resources.add(Resource.of(broken))
    loop = TaskLoop(resources)

    def plain(pool: Pool) -> None: ...

    outcome = await run_task(loop, plain, resources=resources)
    assert isinstance(outcome, TaskFailure)
    assert "broken (" in outcome.error
    assert outcome.error.endswith("cannot be opened: ConnectionRefusedError: no server")
    assert outcome.retry
    with pytest.raises(ResourceFailed):
        await loop.open([Pool])
    await loop.close()
    await close_loop(loop._current.loop)
