"""The client for asyncio."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Coroutine
from functools import cached_property
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, overload

from duebook.client.environment import address
from duebook.client.errors import ClientError
from duebook.client.headers import request_headers
from duebook.client.steps import Answer, Call, Retries, Sleep, effects, send
from duebook.client.wire import Request
from duebook.unset import UNSET

if TYPE_CHECKING:  # see `_PARTS`
    from duebook.client.async_connections import AsyncSend
    from duebook.client.async_groups import AsyncDeadLetters, AsyncJobs, AsyncRuns
    from duebook.client.enqueue import EnqueueFields
    from duebook.client.fields import Time
    from duebook.client.handles import AsyncHandle
    from duebook.client.models import Event
    from duebook.client.waiting import Wait
    from duebook.tasks import TaskFunction

T = TypeVar("T")
Payload = TypeVar("Payload")
# They need pydantic and httpx2. A client imports them when it is made: a program that makes none starts quickly, and no
# request keeps the event loop waiting for an import.
_PARTS = ("async_connections", "async_groups", "feed", "handles")


class AsyncClient:
    """Calls the API from asyncio; the tasks of one event loop may share it. It has the methods of `Client`.

    Without a `url` it takes `DUEBOOK_URL` and `DUEBOOK_API_KEY` (or `DUEBOOK_API_KEY_FILE`) from the environment or
    from `.duebook/env`, which `make up` writes. `timeout` (seconds) bounds each step of a request. A request that was
    refused with 429 or 503, or that got no answer, is repeated for `retry_for` seconds, if that can do no harm.

    Every method raises a subclass of `ClientError`.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retry_for: float = 30.0,
        send: "AsyncSend | None" = None,
    ) -> None:
        for name in _PARTS:
            import_module(f"duebook.client.{name}")
        from duebook.client.async_connections import AsyncConnections  # noqa: PLC0415 - see `_PARTS`

        url, key = address(url, key)
        self._headers = request_headers(key)
        self._connections = AsyncConnections(url, with_key=key is not None)
        self._send = send or self._connections.send
        self._timeout = timeout
        self._retries = Retries(retry_for, time.monotonic, random.random)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        await self._connections.close()

    @cached_property
    def jobs(self) -> "AsyncJobs":
        """Create, read, change and control jobs."""
        from duebook.client.async_groups import AsyncJobs  # noqa: PLC0415 - see `_PARTS`

        return AsyncJobs(self)

    @cached_property
    def runs(self) -> "AsyncRuns":
        """Read, await, cancel and repeat runs."""
        from duebook.client.async_groups import AsyncRuns  # noqa: PLC0415 - see `_PARTS`

        return AsyncRuns(self)

    @cached_property
    def dead_letters(self) -> "AsyncDeadLetters":
        """Read, redrive and discard runs that have failed for good."""
        from duebook.client.async_groups import AsyncDeadLetters  # noqa: PLC0415 - see `_PARTS`

        return AsyncDeadLetters(self)

    @overload
    async def enqueue(
        self, task: "TaskFunction[..., Coroutine[Any, Any, T], Payload]", payload: "Payload" = UNSET, *,
        at: "Time | None" = None, wait: "Wait | None" = None, idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]"
    ) -> "AsyncHandle[T]": ...  # fmt: skip
    @overload
    async def enqueue(
        self, task: "TaskFunction[..., T, Payload]", payload: "Payload" = UNSET, *,
        at: "Time | None" = None, wait: "Wait | None" = None, idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]"
    ) -> "AsyncHandle[T]": ...  # fmt: skip
    @overload
    async def enqueue(
        self, task: str, payload: Any = UNSET, *,
        at: "Time | None" = None, wait: "Wait | None" = None, idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]"
    ) -> "AsyncHandle[Any]": ...  # fmt: skip
    async def enqueue(
        self,
        task: Any,
        payload: Any = UNSET,
        *,
        at: Any = None,
        wait: "Wait | None" = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> "AsyncHandle[Any]":
        """Run the task once, now or `at` a time, and return a handle of its result.

        `task` is the function under its `@task`, or its name. Fields of a job, like `queue` and `key`, override the
        task's own. With `wait` (a timedelta, or seconds; 60 at most) the same request awaits the run of a task that is
        due now, and `result` of the handle needs no other.

        Raises Invalid for a payload that the task refuses, and Conflict if another job has the `key`.
        """
        from duebook.client.enqueue import enqueue  # noqa: PLC0415 - see `_PARTS`
        from duebook.client.handles import AsyncHandle  # noqa: PLC0415 - see `_PARTS`

        return AsyncHandle(self, await self.perform(enqueue(task, payload, at, idempotency_key, fields, wait=wait)))

    async def events(
        self, after: str | None = None, *, follow: bool = True, interval: float = 1.0, **filters: Any
    ) -> AsyncIterator["Event"]:
        """The events after this position, oldest first, each once; None is the beginning, `latest` the present end.

        It follows the log for ever, or with `follow=False` up to its end; a new event is seen within `interval`
        seconds. An outage is waited for. Keep the `position` of the last event that you have processed, to continue
        after it. Filters are `type`, `job_id`, `run_id` and `actor`. Raises Gone if the log has no event at the
        position, or not all events after it.
        """
        from duebook.client.feed import Position, endless  # noqa: PLC0415 - see `_PARTS`

        position = Position(after, filters)
        while True:
            for event in await self.perform(position.read(), endless(self._retries)):
                yield event
            if not position.behind:
                if not follow:
                    return
                await asyncio.sleep(interval)

    async def request(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        """The JSON of any other route; parameters that are None are not sent."""
        repeatable = method != "POST"
        return await self.perform(send(Request(method, path, parameters, body, repeatable=repeatable), lambda it: it))

    async def perform(self, call: Call[T], retries: Retries | None = None) -> T:
        """Send the requests of a call, one after the other, and return its result."""
        steps: Any = effects(call, retries or self._retries)
        answer: Answer = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = await self._answer(step)

    async def _answer(self, step: Request | Sleep) -> Answer:
        if isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
            return None
        headers = {**self._headers, **step.headers}
        try:
            return await self._send(step.method, step.target, headers, step.content(), self._timeout + step.held)
        except ClientError as error:
            return error
