from collections.abc import AsyncIterator

import pytest

from duebook_executor.task_loop import TaskLoop
from support.executions import close_loop


@pytest.fixture
async def loop() -> AsyncIterator[TaskLoop]:
    """A task loop that is gone after the test."""
    loop = TaskLoop()
    yield loop
    await close_loop(loop._current.loop)
