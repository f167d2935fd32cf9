"""A child's connection to its parent: the child tells where it listens, and learns that the parent has ended."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from duebook_common.runtime.service import Lifespan, ServiceContext

log = structlog.stdlib.get_logger("processes")

READY = "ready"


class Link:
    """The child's end. It says its URL, then READY, each on a line of its own. The parent says nothing."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # a program that a task starts must not hold it open
        self._socket = socket.socket(fileno=descriptor)

    def say(self, line: str) -> None:
        with suppress(OSError):  # the parent has ended, which `watch` notices
            self._socket.sendall(f"{line}\n".encode())

    def watch(self) -> None:
        """Drain and end, as at SIGTERM, once the parent has ended: nothing would start or stop this process any more.

        The kernel closes the parent's end, whatever has killed it.
        """
        asyncio.get_running_loop().add_reader(self._socket, self._on_end)

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        log.warning("parent ended", remedy="this process drains and ends")
        os.kill(os.getpid(), signal.SIGTERM)


@asynccontextmanager
async def linked(link: Link, lifespan: Lifespan, context: ServiceContext) -> AsyncIterator[None]:
    """The lifespan of a child: like that of a single executor, and told to the parent."""
    assert context.http is not None
    link.say(context.http.url)
    link.watch()
    async with lifespan(context):
        link.say(READY)
        yield
