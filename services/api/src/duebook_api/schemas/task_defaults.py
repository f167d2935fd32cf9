"""The defaults that tasks choose for the jobs that name them, as executors have registered them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import structlog
from pydantic import Field, ValidationError

from duebook_api.http.fields import Body, Positive, Queue, ReadAs
from duebook_api.schemas.bodies import BackoffBody, JobBody
from duebook_common.domain.definition import TASK_DEFAULTS, Backoff, Definition
from duebook_common.store.executors import Registered

log = structlog.stdlib.get_logger("task_defaults")

DefaultsOf = Callable[[str, str | None], Mapping[str, Any]]
"""The defaults of a task for jobs of a queue; without one of jobs that name no queue."""


class TaskDefaults(Body):
    """The fields that a task may choose; None where it does not."""

    queue: Queue | None = None
    timeout: Positive | None = None
    max_retries: Annotated[int, Field(ge=0, le=1000)] | None = None
    backoff: Annotated[Backoff, ReadAs(BackoffBody)] | None = None


_NONE = TaskDefaults()


class DefaultsByTask:
    """Defaults count where all executors of the job's queue that have the task agree.

    Without such an executor, those count that the task was registered with last: a deploy shall not change what jobs
    get.
    """

    def __init__(self, last: Mapping[str, Any], executors: Sequence[Registered]) -> None:
        self._source = (last, executors)
        self._last = {task: _read(task, defaults) for task, defaults in last.items() if defaults}
        self._executors = [
            (each, {task: _read(task, defaults) for task, defaults in each.defaults.items()}) for each in executors
        ]
        self._choosing = self._last.keys() | {task for _, defaults in self._executors for task in defaults}

    def updated(self, last: Mapping[str, Any], executors: Sequence[Registered]) -> "DefaultsByTask":
        """The defaults of these registrations: the same object if nothing has changed."""
        return self if (last, executors) == self._source else DefaultsByTask(last, executors)

    def of(self, task: str, queue: str | None) -> Mapping[str, Any]:
        """The fields that the task chooses for a job of this queue, or for one that names no queue."""
        if task not in self._choosing:
            return {}
        if queue is None:
            queue = self._agreed(task, None).get("queue", "default")
        return self._agreed(task, queue) | {"queue": queue}

    def _agreed(self, task: str, queue: str | None) -> dict[str, Any]:
        """What all executors of the queue say; without one all executors with the task, without any the last one."""
        having = [(each, defaults.get(task, _NONE)) for each, defaults in self._executors if task in each.tasks]
        serving = [defaults for each, defaults in having if queue in each.queues]
        chosen = serving or [defaults for _, defaults in having] or [self._last.get(task, _NONE)]
        first = chosen[0]
        agreed = [name for name in TASK_DEFAULTS if all(getattr(d, name) == getattr(first, name) for d in chosen)]
        return {name: value for name in agreed if (value := getattr(first, name)) is not None}


def no_defaults(_task: str, _queue: str | None) -> Mapping[str, Any]:
    """As if no task chose any."""
    return {}


def with_task_defaults(body: JobBody, defaults_of: DefaultsOf, current: Definition | None = None) -> JobBody:
    """The body with the task's defaults in place of fields that it leaves out.

    A field that the `current` definition left out as well keeps its value, as long as the task is the same.
    """
    left_out = body.left_out
    if not left_out:
        return body
    kept = set(current.left_out) if current is not None and current.task == body.task else set()
    values = {name: getattr(current, name) for name in left_out if name in kept}
    queue = values.get("queue", body.queue if "queue" not in left_out else None)
    chosen = defaults_of(body.task, queue) if len(values) < len(left_out) else {}
    values |= {name: chosen[name] for name in left_out if name not in kept and name in chosen}
    if not values:
        return body
    return JobBody.model_construct(body.model_fields_set, **(vars(body) | values))


def _read(task: str, defaults: Any) -> TaskDefaults:
    """No defaults if a newer executor knows what this version does not."""
    try:
        return TaskDefaults.model_validate(defaults)
    except ValidationError as error:
        log.warning("the task's defaults are not known here and not used", task=task, error=str(error)[:300])
        return _NONE
