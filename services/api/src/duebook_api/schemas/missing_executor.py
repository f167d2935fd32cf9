"""What is missing where no executor could start a run: the api warns of it, and `why` explains it."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

ServedTasks = Mapping[str, AbstractSet[str]]  # the tasks of the executors that serve each queue, by queue


def missing_executor(queue: str, task: str, served: ServedTasks) -> str | None:
    """A clause with cause and remedy; None if an executor of the queue has the task."""
    tasks = served.get(queue)
    if tasks is None:
        remedy = f"DUEBOOK_QUEUES of an executor that has the task “{task}” must include it"
        return f"no executor serves the queue “{queue}”, so runs wait for one: {remedy}"
    if task not in tasks:
        remedy = "DUEBOOK_TASKS of one of them must include its module"
        return f"no executor of the queue “{queue}” has registered the task “{task}”, so runs wait for one: {remedy}"
    return None
