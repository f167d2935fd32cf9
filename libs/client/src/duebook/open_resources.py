"""Resources that are open in one event loop: each is opened once, when it is first needed, and closed at the end."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, NamedTuple

from duebook.errors import Fail
from duebook.outcomes import described
from duebook.resources import Resource, ResourceRegistry

_log = logging.getLogger("duebook.resources")

OPEN_SECONDS = 60.0
"""How long a resource may take to open, and to close."""


class ResourceFailed(Fail):
    """A resource cannot be opened. The message names it, its file and line, and the cause."""


class _Request(NamedTuple):
    resources: Mapping[Any, Resource]
    opened: "asyncio.Future[None]"


class OpenResources:
    """The open resources of the event loop in which it is used. To be closed in that loop.

    One asyncio task opens and closes all of them, because a generator may contain a scope that must be left by the
    task that has entered it.
    """

    def __init__(self, registry: ResourceRegistry, given: Mapping[Any, Any] | None = None) -> None:
        self._registry = registry
        self._values: dict[Any, Any] = dict(given or {})
        self._requests: asyncio.Queue[_Request | None] = asyncio.Queue()
        self._host: asyncio.Task[None] | None = None

    @property
    def are_open(self) -> bool:
        """Whether something is to be closed."""
        return self._host is not None

    async def get(self, types: Collection[Any]) -> Mapping[Any, Any]:
        """The values of these types; opens what is not open yet. Raises ResourceFailed, and TaskError."""
        missing = [each for each in types if each not in self._values]
        if missing:
            await self._open(self._missing(missing))
        return {each: self._values[each] for each in types}

    def values(self, types: Collection[Any]) -> Mapping[Any, Any] | None:
        """The values of these types, if all are open. May be called from any thread."""
        return {each: self._values[each] for each in types} if all(each in self._values for each in types) else None

    async def close(self) -> None:
        """Close all, the last one first. Raises nothing: what cannot be closed is left to the process's end."""
        if self._host is not None:
            self._requests.put_nowait(None)
            await asyncio.wait({self._host}, timeout=OPEN_SECONDS)
            if self._host.done() and not self._host.cancelled() and (error := self._host.exception()):
                _log.warning("a resource was not closed: %s", described(error))

    def _missing(self, types: Collection[Any]) -> Mapping[Any, Resource]:
        wanted = self._registry.closure([each for each in types if each not in self._values])
        return {type_: each for type_, each in wanted.items() if type_ not in self._values}

    async def _open(self, resources: Mapping[Any, Resource]) -> None:
        if self._host is None:
            self._host = asyncio.create_task(self._work(), name="duebook-resources")
        request = _Request(resources, asyncio.get_running_loop().create_future())
        self._requests.put_nowait(request)
        await request.opened

    async def _work(self) -> None:
        async with AsyncExitStack() as stack:
            while (request := await self._requests.get()) is not None:
                try:
                    for resource in request.resources.values():
                        await self._enter(stack, resource)
                except ResourceFailed as error:
                    if not request.opened.done():
                        request.opened.set_exception(error)
                else:
                    if not request.opened.done():  # a task may have been cancelled meanwhile
                        request.opened.set_result(None)

    async def _enter(self, stack: AsyncExitStack, resource: Resource) -> None:
        if resource.type in self._values:  # an earlier request has opened it
            return
        arguments = [self._values[need] for need in resource.needs]
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                self._values[resource.type] = await stack.enter_async_context(_manager(resource, arguments))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a user's code may raise anything, also SystemExit
            raise ResourceFailed(f"{resource.title} cannot be opened: {described(error)}") from error


def _manager(resource: Resource, arguments: list[Any]) -> AbstractAsyncContextManager[Any]:
    if resource.is_async:
        return asynccontextmanager(resource.function)(*arguments)
    return _in_thread(resource, arguments)


@asynccontextmanager
async def _in_thread(resource: Resource, arguments: list[Any]) -> Any:
    """A plain generator may block: it opens and closes in threads."""
    manager = contextmanager(resource.function)(*arguments)
    value = await asyncio.to_thread(manager.__enter__)
    try:
        yield value
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)
