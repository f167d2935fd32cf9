"""The task API: users register functions as tasks, and an executor reads the registry."""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from duebook.context import Context
from duebook.defaults import Backoff, Defaults
from duebook.durations import duration
from duebook.errors import TaskError, location, wrong
from duebook.remote import RemoteTask
from duebook.resources import Resource, ResourceRegistry, registered_resources
from duebook.signature import Kind, Parameter, parameters_of

if TYPE_CHECKING:
    from duebook.payload_type import PayloadType

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_NO_DEFAULTS, _NO_RESOURCES = Defaults(), ResourceRegistry()

P = ParamSpec("P")
R = TypeVar("R")
Payload = TypeVar("Payload")


@dataclass(frozen=True)
class Task:
    """A registered function: its name, how to call it, and the type of its payload."""

    name: str
    function: Callable[..., Any]
    is_async: bool
    payload: "PayloadType | None"
    """Validates the payload; None if the function takes the JSON value as it is, or no payload."""
    parameters: tuple[Parameter, ...]
    """What the function's parameters take, in order."""
    inline: bool = False
    """A built-in task that does not block: it runs in the executor's own event loop."""
    defaults: Defaults = _NO_DEFAULTS
    """Of the jobs that name the task."""

    @classmethod
    def of(
        cls,
        name: str,
        function: Callable[..., Any],
        *,
        inline: bool = False,
        defaults: Defaults = _NO_DEFAULTS,
        resources: ResourceRegistry = _NO_RESOURCES,
    ) -> "Task":
        """Make a task of a function; raises TaskError for a function that could not be called with a payload."""
        must_be_callable(name, function)
        parameters = parameters_of(f"task {name}", function, resources.types())
        resources.closure(each.annotation for each in parameters if each.kind is Kind.RESOURCE)
        annotation = next((each.annotation for each in parameters if each.kind is Kind.PAYLOAD), None)
        is_async = inspect.iscoroutinefunction(function)
        return cls(name, function, is_async, _payload_type(name, function, annotation), parameters, inline, defaults)

    @property
    def resources(self) -> tuple[Any, ...]:
        """The types of the resources that the function takes."""
        return tuple(each.annotation for each in self.parameters if each.kind is Kind.RESOURCE)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the payload; empty if any payload is valid."""
        return self.payload.json_schema() if self.payload else {}

    def validate(self, payload: Any) -> Any:
        """The payload converted to the function's type; raises `Fail(retry=False)` with each fault and its place."""
        return payload if self.payload is None else self.payload.read(payload)

    def arguments(
        self, payload: Any, context: Context, resources: Mapping[Any, Any] = MappingProxyType({})
    ) -> tuple[Any, ...]:
        """The arguments of a call, with the payload validated and the resources by type."""
        return tuple(self._argument(each, payload, context, resources) for each in self.parameters)

    def _argument(self, parameter: Parameter, payload: Any, context: Context, resources: Mapping[Any, Any]) -> Any:
        match parameter.kind:
            case Kind.PAYLOAD:
                return self.validate(payload)
            case Kind.CONTEXT:
                return context
            case Kind.RESOURCE:
                return resources[parameter.annotation]


class TaskFunction(RemoteTask[R, Payload], Generic[P, R, Payload]):
    """A task as its decorator leaves it: it is called like the function, and names the task to clients."""

    __name__: str

    def __init__(self, name: str, function: Callable[P, R], defaults: Defaults) -> None:
        functools.update_wrapper(self, function)
        self.name, self.function, self.defaults = name, function, defaults

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, as if it were no task."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.name} ({location(self.function)})>"

    @functools.cached_property
    def task(self) -> Task:
        """The task, once all modules with resources are imported; raises TaskError."""
        return Task.of(self.name, self.function, defaults=self.defaults, resources=registered_resources())


class Decorator(Protocol):
    """Makes a task of a function; its type follows from what the first parameter takes."""

    @overload
    def __call__(self, function: Callable[[], R]) -> TaskFunction[[], R, None]: ...
    @overload
    def __call__(self, function: Callable[Concatenate[Payload, P], R]) -> TaskFunction[Concatenate[Payload, P], R, Payload]: ...  # fmt: skip  # noqa: E501


class Registry:
    """Tasks by name, each name once."""

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._tasks: dict[str, Task | TaskFunction[..., Any, Any]] = {}
        for each in tasks:
            self.add(each)

    def add(self, task: Task | TaskFunction[..., Any, Any]) -> None:
        """Add a task; raises TaskError if its name is taken."""
        if known := self._tasks.get(task.name):
            other = f"{_qualified_name(known.function)} ({location(known.function)})"
            text = f"task {task.name} is registered twice: {other} and {_qualified_name(task.function)}"
            raise wrong(task.function, text)
        self._tasks[task.name] = task

    def task(self, name: str, defaults: Defaults = _NO_DEFAULTS) -> Decorator:
        """Register the decorated function under this name."""
        if not isinstance(name, str):
            raise TaskError('a task needs a name: write @task("reports.nightly")')

        def register(function: Callable[..., Any]) -> Any:
            plain = function.function if isinstance(function, TaskFunction) else function
            must_be_callable(name, plain)
            made: TaskFunction[..., Any, Any] = TaskFunction(name, plain, defaults)
            self.add(made)
            return made

        return register

    def registered(self) -> Mapping[str, Task]:
        """A read-only view of all tasks by name; raises TaskError for the first one that cannot be called."""
        found = {name: each.task if isinstance(each, TaskFunction) else each for name, each in self._tasks.items()}
        return MappingProxyType(found)


_USER_TASKS = Registry()


def task(
    name: str,
    *,
    queue: str | None = None,
    timeout: timedelta | float | None = None,
    max_retries: int | None = None,
    backoff: Backoff | None = None,
) -> Decorator:
    """Register the decorated `def` or `async def` as a task that jobs can name.

    Its first parameter takes the payload, validated by its annotation. Parameters annotated with `Context` or with the
    type of a resource take these. All are optional.

    `queue`, `timeout` (of one attempt; a timedelta, or seconds), `max_retries` and `backoff` are defaults of the jobs
    that name the task without these fields. Raises TaskError.
    """
    try:
        defaults = Defaults(queue, duration(timeout), max_retries, backoff)
    except ValueError as error:
        raise TaskError(f"{_caller()}: task {name}: {error}") from None
    return _USER_TASKS.task(name, defaults)


def registered() -> Mapping[str, Task]:
    """The tasks registered by `@task` so far; raises TaskError for the first one that cannot be called."""
    return _USER_TASKS.registered()


def resources_of(tasks: Iterable[Task]) -> Mapping[Any, Resource]:
    """The resources that these tasks take, and all that these need, each after what it needs."""
    return registered_resources().closure(type_ for each in tasks for type_ in each.resources)


def must_be_callable(name: str, function: Callable[..., Any]) -> None:
    """Raises TaskError for a name or an object that cannot be a task."""
    if not _NAME.fullmatch(name):
        raise wrong(function, f"task name {name!r} does not match {_NAME.pattern}")
    if not inspect.isroutine(function) or inspect.isgeneratorfunction(function):
        raise wrong(function, f"task {name} is not a plain function: write `def` or `async def`, without `yield`")
    if inspect.isasyncgenfunction(function):
        raise wrong(function, f"task {name} is an async generator: return its result instead of yielding it")


def _caller() -> str:
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "?"


def _payload_type(name: str, function: Callable[..., Any], annotation: Any) -> "PayloadType | None":
    if annotation in (None, Any):
        return None
    from duebook.payload_type import PayloadType  # noqa: PLC0415 - a module of tasks is imported without pydantic

    return PayloadType.of(name, function, annotation)


def _qualified_name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
