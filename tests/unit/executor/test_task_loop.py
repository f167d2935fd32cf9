"""A task that blocks its event loop delays neither its own timeout nor later tasks."""

import asyncio
import gc
import threading
import weakref

import pytest

from duebook.outcomes import TaskFailure, TaskSuccess
from duebook.tasks import Task
from duebook_executor import task_loop
from duebook_executor.task_loop import TaskLoop
from support.executions import CONTEXT, SHORT, Function, both_kinds, close_loop, run_task

asynchronous, plain = both_kinds(lambda: 1)


async def test_a_blocked_loop_is_replaced_for_later_tasks(loop: TaskLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_loop, "_BLOCKED_SECONDS", 0.01)
    entered, may_end = threading.Event(), threading.Event()

    async def blocking() -> None:
        entered.set()
        may_end.wait(10)

    blocked = loop._current
    outcome = await run_task(loop, blocking, timeout=SHORT, begun=entered)
    assert isinstance(outcome, TaskFailure)
    assert "given up" in outcome.error
    while loop._current is blocked:
        loop.replace_if_blocked()
        await asyncio.sleep(0.005)
    assert await run_task(loop, asynchronous) == TaskSuccess(1)
    may_end.set()
    await close_loop(blocked.loop)


async def test_a_loop_that_answers_is_kept(loop: TaskLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_loop, "_BLOCKED_SECONDS", 10)
    before = loop._current
    for _ in range(20):
        loop.replace_if_blocked()
        assert await run_task(loop, asynchronous) == TaskSuccess(1)
    assert loop._current is before


async def test_too_many_given_up_tasks_that_still_run_make_unready(loop: TaskLoop) -> None:
    may_end = threading.Event()
    _, deaf = both_kinds(lambda: may_end.wait(10))
    assert isinstance(await run_task(loop, deaf, timeout=SHORT), TaskFailure)
    await loop.check(1)
    with pytest.raises(RuntimeError, match="1 tasks that were given up still run; DUEBOOK_MAX_ABANDONED is 0"):
        await loop.check(0)
    may_end.set()
    while loop.abandoned:
        await asyncio.sleep(0.005)
    await loop.check(0)


async def test_plain_tasks_run_at_the_same_time(loop: TaskLoop) -> None:
    barrier = threading.Barrier(20, timeout=10)
    _, waiting = both_kinds(lambda: barrier.wait() >= 0)
    outcomes = await asyncio.gather(*(run_task(loop, waiting) for _ in range(20)))
    assert outcomes == [TaskSuccess(result=True)] * 20


async def test_tasks_run_outside_the_executors_own_thread(loop: TaskLoop) -> None:
    def in_main_thread() -> bool:
        return threading.current_thread() is threading.main_thread()

    async def inline() -> bool:
        return in_main_thread()

    for function in both_kinds(in_main_thread):
        assert await run_task(loop, function) == TaskSuccess(result=False)
    assert await run_task(loop, inline, inline=True) == TaskSuccess(result=True)


@pytest.mark.parametrize("function", [asynchronous, plain], ids=["async", "plain"])
async def test_an_ended_execution_is_no_garbage(loop: TaskLoop, function: Function) -> None:
    """The collector would search for that of each task: a tenth of the executor's CPU."""
    gc.disable()
    try:
        execution = loop.start(Task.of("t", function), None, CONTEXT)
        kept = weakref.ref(execution)
        await execution.end()
        del execution
        async with asyncio.timeout(10):
            while kept() is not None:
                await asyncio.sleep(0.01)
    finally:
        gc.enable()
