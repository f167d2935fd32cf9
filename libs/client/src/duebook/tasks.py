"""The task API: users register functions as tasks, and an executor reads the registry."""

import importlib
import inspect
import math
import re
import threading
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_FAULTS_SHOWN = 10

Function = TypeVar("Function", bound=Callable[..., Any])


class Fail(Exception):
    """Raise it to fail the attempt. With `retry=False` the run becomes a dead letter at once."""

    def __init__(self, message: str, retry: bool = True) -> None:
        super().__init__(message)
        self.message, self.retry = message, retry


class RetryAfter(Exception):
    """Raise it to fail the attempt and to choose the delay before the next one: a `timedelta`, or seconds."""

    def __init__(self, delay: timedelta | float, message: str | None = None) -> None:
        self.delay = _delay(delay)
        self.message = message or f"the task requested a retry after {self.delay.total_seconds():g} s"
        super().__init__(self.message)


class TaskError(Exception):
    """A task cannot be registered, or a module of tasks cannot be imported. The message is one line."""


@dataclass(frozen=True)
class Context:
    """What a task may know about its attempt."""

    run_id: UUID
    job_id: UUID
    attempt: int
    nominal_at: datetime
    idempotency_key: str
    """The same for every attempt of the run. Pass it to each service that must not act twice."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The trace context, as `traceparent` and `tracestate`."""
    log: Callable[[str], None] = print
    """Writes a line to the job log."""
    deadline: datetime | None = None
    """When the attempt times out (UTC)."""
    stopping: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)
    """Is set once the attempt was cancelled or has timed out."""

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was cancelled or has timed out. Nothing can stop a `def`, so a long one has to look."""
        return self.stopping.is_set()


@dataclass(frozen=True)
class Task:
    """A registered function: its name, how to call it, and the type of its payload."""

    name: str
    function: Callable[..., Any]
    is_async: bool
    payload: TypeAdapter[Any] | None
    """Validates the payload; None if the function takes the JSON value as it is, or no payload."""
    parameters: tuple[str, ...]
    """What the function's parameters take, in order: "payload", "context"."""
    inline: bool = False
    """A built-in task that does not block: it runs in the executor's own event loop."""

    @classmethod
    def of(cls, name: str, function: Callable[..., Any], *, inline: bool = False) -> "Task":
        """Make a task of a function; raises TaskError for a function that could not be called with a payload."""
        if not _NAME.fullmatch(name):
            raise TaskError(f"task name {name!r} does not match {_NAME.pattern}")
        if not inspect.isroutine(function) or inspect.isgeneratorfunction(function):
            raise TaskError(f"task {name} is not a plain function: write `def` or `async def`, without `yield`")
        if inspect.isasyncgenfunction(function):
            raise TaskError(f"task {name} is an async generator: return its result instead of yielding it")
        parameters, annotation = _signature(name, function)
        is_async = inspect.iscoroutinefunction(function)
        return cls(name, function, is_async, _adapter(name, annotation), parameters, inline)

    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the payload; empty if any payload is valid."""
        return self.payload.json_schema() if self.payload else {}

    def validate(self, payload: Any) -> Any:
        """The payload converted to the function's type; raises `Fail(retry=False)` with each fault and its place."""
        if self.payload is None:
            return payload
        try:
            # As JSON and not as Python objects: then also a strict model reads a time or a UUID from a string.
            return self.payload.validate_json(to_json(payload))
        except ValidationError as error:
            # `from None`: the cause's text quotes the payload, which may contain secrets.
            raise Fail(f"payload does not fit task {self.name}: {_faults(error)}", retry=False) from None
        except PydanticSerializationError as error:
            raise Fail(f"payload of task {self.name} is not JSON: {error}", retry=False) from None

    def arguments(self, payload: Any, context: Context) -> tuple[Any, ...]:
        """The arguments of a call, with the payload validated."""
        return tuple(self.validate(payload) if name == "payload" else context for name in self.parameters)


class Registry:
    """Tasks by name, each name once."""

    def __init__(self, tasks: Iterable[Task] = ()) -> None:
        self._tasks: dict[str, Task] = {}
        for each in tasks:
            self.add(each)

    def add(self, task: Task) -> None:
        """Add a task; raises TaskError if its name is taken."""
        if known := self._tasks.get(task.name):
            functions = f"{_qualified_name(known.function)} and {_qualified_name(task.function)}"
            raise TaskError(f"task {task.name} is registered twice: {functions}")
        self._tasks[task.name] = task

    def task(self, name: str) -> Callable[[Function], Function]:
        """Register the decorated function under this name, and return it unchanged."""
        if not isinstance(name, str):
            raise TaskError('a task needs a name: write @task("reports.nightly")')

        def register(function: Function) -> Function:
            self.add(Task.of(name, function))
            return function

        return register

    def registered(self) -> Mapping[str, Task]:
        """A read-only view of all tasks by name."""
        return MappingProxyType(self._tasks)


_USER_TASKS = Registry()


def task(name: str) -> Callable[[Function], Function]:
    """Register the decorated `def` or `async def` as a task that jobs can name.

    Its first parameter takes the payload, validated by its annotation; its second takes the `Context`. Both are
    optional. Raises TaskError.
    """
    return _USER_TASKS.task(name)


def registered() -> Mapping[str, Task]:
    """The tasks registered by `@task` so far."""
    return _USER_TASKS.registered()


def load(modules: Iterable[str]) -> None:
    """Import the modules that register tasks; raises TaskError with the name of a module that fails."""
    for name in filter(None, map(str.strip, modules)):
        try:
            importlib.import_module(name)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise TaskError(f"cannot import the task module {name}: {reason}") from error


def _delay(delay: timedelta | float) -> timedelta:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a delay must be finite and not negative, got {delay}")
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError(f"a delay must be shorter than {timedelta.max.days} days, got {delay}") from None


def _signature(name: str, function: Callable[..., Any]) -> tuple[tuple[str, ...], Any]:
    """What the function's parameters take, and the annotation of its payload; None without one."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise TaskError(f"task {name}: an annotation cannot be read: {error}") from error
    parameters = list(inspect.signature(function).parameters.values())
    passed = [p for p in parameters if p.kind in _POSITIONAL][:2]
    takes = tuple("context" if hints.get(p.name) is Context or i else "payload" for i, p in enumerate(passed))
    if takes == ("context", "context"):
        raise TaskError(f"task {name}: the first parameter takes the payload, the second the Context")
    if len(passed) == 2 and hints.get(passed[1].name, Context) is not Context:
        raise TaskError(f"task {name}: the second parameter takes the Context, not {hints[passed[1].name]}")
    for p in parameters:
        optional = p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        if p not in passed and not optional:
            raise TaskError(f"task {name}: the parameter {p.name} needs a default: tasks get a payload and a Context")
    return takes, hints.get(passed[0].name) if takes[:1] == ("payload",) else None


def _adapter(name: str, annotation: Any) -> TypeAdapter[Any] | None:
    if annotation in (None, Any):
        return None
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        adapter.json_schema()
    except Exception as error:
        raise TaskError(f"task {name}: its payload type {annotation} has no JSON Schema: {error}") from error
    return adapter


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_input=False)
    shown = "; ".join(_fault(fault) for fault in faults[:_FAULTS_SHOWN])
    more = len(faults) - _FAULTS_SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _fault(fault: ErrorDetails) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in fault["loc"])
    pointer = "".join(f"/{step}" for step in steps)
    return f"{pointer or 'the payload itself'}: {fault['msg'].removeprefix('Value error, ')}"


def _qualified_name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"
