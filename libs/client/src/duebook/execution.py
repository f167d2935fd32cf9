"""One call of a task, in the thread or the event loop of its own: whatever it does becomes an outcome.

The executor and `duebook.testing` both call tasks by these functions.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from duebook.context import Context
from duebook.open_resources import OpenResources
from duebook.outcomes import TaskFailure, TaskOutcome, failure, success
from duebook.tasks import Task


async def await_task(task: Task, payload: Any, context: Context, resources: OpenResources) -> TaskOutcome:
    """Await an `async def`. Only a cancellation from outside is raised; SystemExit would end the tasks' loop."""
    try:
        arguments = task.arguments(payload, context, await resources.get(task.resources))
        return success(await task.function(*arguments))
    except asyncio.CancelledError:
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        return TaskFailure("the task raised CancelledError")
    except BaseException as error:
        return failure(error)


def call_task(task: Task, payload: Any, context: Context, resources: Callable[[], Mapping[Any, Any]]) -> TaskOutcome:
    """Call a `def` in its own thread. Raises nothing: an asyncio future cannot hold StopIteration."""
    try:
        return success(task.function(*task.arguments(payload, context, resources())))
    except BaseException as error:
        return failure(error)
