"""One execution of a task: call it within its timeout, turn every end into an outcome."""

import asyncio
from datetime import timedelta
from typing import Any

from duebook.context import Context
from duebook.execution import follow
from duebook.outcomes import TaskOutcome, failure, success, timed_out
from duebook.tasks import Task
from duebook_executor.task_loop import TaskLoop


async def execute(task: Task, payload: Any, context: Context, timeout: timedelta, loop: TaskLoop) -> TaskOutcome:
    """Execute the task once. Whatever it returns or raises becomes an outcome; only our own cancellation is raised."""
    if task.inline:
        return await _execute_inline(task, payload, context, timeout)
    return await follow(task, loop.start(task, payload, context), context, timeout, loop.abandon)


async def _execute_inline(task: Task, payload: Any, context: Context, timeout: timedelta) -> TaskOutcome:
    """Built-in tasks do not block, so they run in the executor's own event loop."""
    try:
        async with asyncio.timeout(timeout.total_seconds()) as limit:
            return success(await task.function(*task.arguments(payload, context)))
    except TimeoutError as error:
        return timed_out(timeout) if limit.expired() else failure(error)
    except Exception as error:
        return failure(error)
