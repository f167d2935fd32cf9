"""A task as a program calls it that is no executor: it is enqueued, and its result is awaited."""

import sys
from collections.abc import Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

from duebook.unset import UNSET

if TYPE_CHECKING:
    from duebook.client import AsyncClient, AsyncHandle, Client, Handle
    from duebook.client.enqueue import EnqueueFields
    from duebook.client.fields import Time
    from duebook.client.waiting import Wait

T = TypeVar("T")
R = TypeVar("R")
Payload = TypeVar("Payload")
_DEFAULT = "duebook.client.default"


class RemoteTask(Generic[R, Payload]):
    """What is decorated with `@task` can be enqueued; `R` is what the function returns."""

    @overload
    def enqueue(
        self: "RemoteTask[Coroutine[Any, Any, T], Payload]", payload: Payload = UNSET, *,
        client: "Client | None" = None, at: "Time | None" = None, wait: "Wait | None" = None,
        idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]",
    ) -> "Handle[T]": ...  # fmt: skip
    @overload
    def enqueue(
        self: "RemoteTask[T, Payload]", payload: Payload = UNSET, *,
        client: "Client | None" = None, at: "Time | None" = None, wait: "Wait | None" = None,
        idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]",
    ) -> "Handle[T]": ...  # fmt: skip
    def enqueue(self: Any, payload: Any = UNSET, *, client: "Client | None" = None, **options: Any) -> "Handle[Any]":
        """Run the task once on an executor, now or `at` a time, and return a handle: `handle.result(timeout=60)`.

        Without a client it uses that of `DUEBOOK_URL` and `DUEBOOK_API_KEY`, or of `.duebook/env`. Fields of a job,
        like `queue` and `key`, override the defaults of the task. Raises what `client.enqueue` raises.
        """
        from duebook.client.default import default_client  # noqa: PLC0415 - an executor needs no client

        return (client or default_client()).enqueue(self, payload, **options)

    @overload
    async def aenqueue(
        self: "RemoteTask[Coroutine[Any, Any, T], Payload]", payload: Payload = UNSET, *,
        client: "AsyncClient | None" = None, at: "Time | None" = None, wait: "Wait | None" = None,
        idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]",
    ) -> "AsyncHandle[T]": ...  # fmt: skip
    @overload
    async def aenqueue(
        self: "RemoteTask[T, Payload]", payload: Payload = UNSET, *,
        client: "AsyncClient | None" = None, at: "Time | None" = None, wait: "Wait | None" = None,
        idempotency_key: str | None = None,
        **fields: "Unpack[EnqueueFields]",
    ) -> "AsyncHandle[T]": ...  # fmt: skip
    async def aenqueue(
        self: Any, payload: Any = UNSET, *, client: "AsyncClient | None" = None, **options: Any
    ) -> "AsyncHandle[Any]":
        """Like `enqueue`, for asyncio: `await (await task.aenqueue(payload)).result(timeout=60)`."""
        return await (client or await _async_client()).enqueue(self, payload, **options)


async def _async_client() -> "AsyncClient":
    """The client of the environment. What it needs is imported in a thread, while other work of the loop goes on."""
    import asyncio  # noqa: PLC0415 - long since imported where there is a loop

    if _DEFAULT not in sys.modules:
        await asyncio.to_thread(import_module, _DEFAULT)
    from duebook.client.default import default_async_client  # noqa: PLC0415 - an executor needs no client

    return await default_async_client()
