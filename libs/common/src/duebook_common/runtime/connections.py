"""The HTTP connections of one process: bounded in number, and in the time until a request has arrived.

Without these bounds a client that opens connections and sends nothing would take every file descriptor, and with them
the probes and the service's own connections to its servers.
"""

import resource
from typing import Generic, TypeVar

C = TypeVar("C")

MOST = 1_000
MOST_PROBES = 64  # of a service that has only probes and metrics
HEAD_SECONDS = 10.0  # until the head of a request has arrived: since the connection was opened, or the last answer
HEAD_BYTES = 64 * 1024
SPARE = 16  # connections that only probes may use

_KEPT_BACK = 64  # descriptors for connections to PostgreSQL, RabbitMQ and Redis, for files and the like


def most_connections(wanted: int, descriptors: int | None = None) -> int:
    """The wanted number, or fewer where the process may have few descriptors.

    Half of what is not kept back: as many connections again may be accepted before surplus ones are closed.
    """
    available = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if descriptors is None else descriptors
    if available == resource.RLIM_INFINITY:
        return wanted
    return max(8, min(wanted, (available - _KEPT_BACK) // 2 - SPARE))


class Connections(Generic[C]):
    """The open connections. Those that wait for the head of a request are closed first, the oldest before others."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.closing = False  # the next answer on each connection is its last
        self._open: set[C] = set()
        self._idle: dict[C, None] = {}  # a dict as an ordered set

    @property
    def crowded(self) -> bool:
        """Whether only probes may still be answered."""
        return len(self._open) > self.most

    def add(self, connection: C) -> C | None:
        """Take in a connection; returns the one to be closed for it, maybe itself."""
        self._open.add(connection)
        oldest = next(iter(self._idle), None) if self.crowded else None
        if oldest is not None:
            self.busy(oldest)  # it is being closed, so the next surplus connection is another one
        self._idle[connection] = None
        return connection if oldest is None and len(self._open) > self.most + SPARE else oldest

    def idle(self, connection: C) -> None:
        """The connection has got its answer, and waits for the next request."""
        if connection in self._open:
            self._idle.pop(connection, None)
            self._idle[connection] = None

    def busy(self, connection: C) -> None:
        self._idle.pop(connection, None)

    def remove(self, connection: C) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)
