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


def default_async_client() -> "AsyncClient":
    """The client of the running event loop, with the URL and the key of the environment."""
    from duebook.client.async_client import AsyncClient  # noqa: PLC0415 - it imports httpx2

    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        _of_loops[loop] = AsyncClient()
    return _of_loops[loop]
