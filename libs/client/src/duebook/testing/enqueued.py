"""What a program enqueues, kept instead of sent, so that its tests need no server."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, overload
from unittest.mock import patch

from duebook.client import default
from duebook.client.async_client import AsyncClient
from duebook.client.errors import Fault, Invalid
from duebook.client.sync_client import Client
from duebook.errors import Fail
from duebook.tasks import TaskFunction
from duebook.testing.handles import RecordedAsyncHandle, RecordedHandle
from duebook.testing.payloads import as_json
from duebook.unset import UNSET

_MISSING = "the task was recorded and not sent, so it has no result: give one by `enqueued.will_return(task, value)`"


@dataclass(frozen=True)
class EnqueuedTask:
    """One call of `enqueue`. `payload` is JSON, `{}` without one.

    `fields` are `at` and the fields of the job that were given. The task's defaults are not among them: the server
    fills them in.
    """

    task: str
    payload: Any
    fields: Mapping[str, Any]
    idempotency_key: str | None = None


class EnqueuedTasks(Sequence[EnqueuedTask]):
    """All calls of `enqueue`, in their order."""

    def __init__(self) -> None:
        self._calls: list[EnqueuedTask] = []
        self._results: dict[str, Any] = {}

    def of(self, task: TaskFunction[..., Any, Any] | str) -> list[EnqueuedTask]:
        """The calls for this task."""
        return [each for each in self._calls if each.task == _name(task)]

    def one(self, task: TaskFunction[..., Any, Any] | str) -> EnqueuedTask:
        """The only call for this task; raises AssertionError if there is none, or another."""
        found = self.of(task)
        assert len(found) == 1, f"task {_name(task)} was enqueued {len(found)} times; all calls: {self._calls}"
        return found[0]

    def will_return(self, task: TaskFunction[..., Any, Any] | str, result: Any) -> None:
        """What `result` of the handles of this task returns."""
        self._results[_name(task)] = result

    def record(
        self, task: Any, payload: Any = UNSET, *, idempotency_key: str | None = None, **fields: Any
    ) -> EnqueuedTask:
        """Keep a call, without its `wait`, and return it; raises Invalid for a payload that the API would refuse."""
        value = {} if payload is UNSET else as_json(payload)
        if isinstance(task, TaskFunction):
            try:
                task.task.validate(value)
            except Fail as error:
                raise Invalid(422, "invalid", error.message, [Fault("/payload", error.message)]) from None
        given = {name: field for name, field in fields.items() if field is not None and name != "wait"}
        call = EnqueuedTask(_name(task), value, given, idempotency_key)
        self._calls.append(call)
        return call

    def result(self, name: str) -> Any:
        """What was given by `will_return`; raises LookupError."""
        if name not in self._results:
            raise LookupError(_MISSING)
        return self._results[name]

    @overload
    def __getitem__(self, index: int) -> EnqueuedTask: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[EnqueuedTask]: ...
    def __getitem__(self, index: int | slice) -> EnqueuedTask | Sequence[EnqueuedTask]:
        return self._calls[index]

    def __len__(self) -> int:
        return len(self._calls)

    def __repr__(self) -> str:
        return repr(self._calls)


@contextmanager
def record_enqueued() -> Iterator[EnqueuedTasks]:
    """Within it every `enqueue` and `aenqueue`, of tasks and of clients, is recorded instead of sent."""
    calls = EnqueuedTasks()

    def enqueue(_client: Any, task: Any, payload: Any = UNSET, **options: Any) -> RecordedHandle:
        return RecordedHandle(calls.result, calls.record(task, payload, **options))

    async def aenqueue(_client: Any, task: Any, payload: Any = UNSET, **options: Any) -> RecordedAsyncHandle:
        return RecordedAsyncHandle(calls.result, calls.record(task, payload, **options))

    async def async_client() -> AsyncClient:
        return object.__new__(AsyncClient)

    with (
        patch.object(Client, "enqueue", enqueue),
        patch.object(AsyncClient, "enqueue", aenqueue),
        patch.object(default, "default_client", lambda: object.__new__(Client)),
        patch.object(default, "default_async_client", async_client),
    ):
        yield calls


def _name(task: TaskFunction[..., Any, Any] | str) -> str:
    return task if isinstance(task, str) else task.name
