"""Executions of tasks in a task loop of the test's own."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from duebook.context import Context, Sink
from duebook.execution import follow
from duebook.outcomes import TaskOutcome
from duebook.resources import ResourceRegistry
from duebook.tasks import Task
from duebook_executor.run_task import execute
from duebook_executor.task_loop import TaskLoop

Function = Callable[..., Any]

LONG, SHORT = timedelta(seconds=10), timedelta(seconds=0.05)
CONTEXT = Context(
    run_id=UUID(int=1),
    job_id=UUID(int=2),
    attempt=3,
    nominal_at=datetime(2026, 1, 1, tzinfo=UTC),
    idempotency_key="k",
)


def context_with(sink: Sink | None) -> Context:
    """A context that says to this sink what a task says."""
    return replace(CONTEXT, sink=sink) if sink else CONTEXT


async def run_task(
    loop: TaskLoop,
    function: Function,
    payload: Any = None,
    timeout: timedelta = LONG,
    *,
    inline: bool = False,
    resources: ResourceRegistry | None = None,
    begun: threading.Event | None = None,
) -> TaskOutcome:
    """The outcome of the task. Where it says by `begun` that it has begun, its timeout counts from then on."""
    async with asyncio.timeout(20):
        context = replace(CONTEXT, stopping=threading.Event())
        task = Task.of("t", function, inline=inline, resources=resources or ResourceRegistry())
        if begun is None:
            return await execute(task, payload, context, timeout, loop)
        execution = loop.start(task, payload, context)
        await wait_in_thread(begun)
        return await follow(task, execution, context, timeout, loop.abandon)


def both_kinds(body: Callable[[], Any]) -> tuple[Function, Function]:
    """The same work as `async def` and as `def`."""

    async def asynchronous() -> Any:
        return body()

    def plain() -> Any:
        return body()

    return asynchronous, plain


async def wait_in_thread(event: threading.Event) -> None:
    """Wait for an event of another thread without blocking this thread's loop."""
    assert await asyncio.to_thread(event.wait, 30)


async def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Stop and close a loop of tasks. An executor never does that; a test must leave nothing behind."""
    begun = threading.Event()  # its thread may not have come to run it yet
    loop.call_soon_threadsafe(begun.set)
    loop.call_soon_threadsafe(loop.stop)
    await wait_in_thread(begun)
    while loop.is_running():
        await asyncio.sleep(0)
    loop.close()
