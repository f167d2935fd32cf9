"""The clients that `task.enqueue` uses where none is given."""

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from duebook.client.sync_client import Client

if TYPE_CHECKING:
    from duebook.client.async_client import AsyncClient

_clients: list[Client] = []
_of_loops: "WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient]" = WeakKeyDictionary()


def default_client() -> Client:
    """The client of this process, with the URL and the key of the environment; it is made when first needed."""
    if not _clients:
        _clients.append(Client())
    return _clients[0]


async def default_async_client() -> "AsyncClient":
    """The client of the running event loop, with the URL and the key of the environment.

    A thread makes it: the imports that it needs would keep all other work of the loop waiting.
    """
    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        made = await asyncio.to_thread(_make)
        _of_loops.setdefault(loop, made)  # others may have asked meanwhile; what is left over has no connection yet
    return _of_loops[loop]


def _make() -> "AsyncClient":
    from duebook.client.async_client import AsyncClient  # noqa: PLC0415 - it imports httpx2

    return AsyncClient()
