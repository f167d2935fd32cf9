from collections.abc import AsyncIterator

import pytest

from duebook import execution
from duebook_executor.task_loop import TaskLoop
from support.executions import close_loop


@pytest.fixture
async def loop() -> AsyncIterator[TaskLoop]:
    """A task loop that is gone after the test."""
    loop = TaskLoop()
    yield loop
    await close_loop(loop._current.loop)


@pytest.fixture
def long_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that stops when it is asked to has the time for it, on a full machine too."""
    monkeypatch.setattr(execution, "STOP_SECONDS", 10)
