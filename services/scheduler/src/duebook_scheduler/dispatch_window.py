"""The bound on dispatched runs per queue: the rest of a backlog stays in the database, where priority still counts."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection

_DISPATCHED = "SELECT queue, count(*) AS runs FROM runs WHERE status = 'dispatched' AND queue = ANY($1) GROUP BY queue"
_FRESH = timedelta(seconds=1)


class DispatchWindow:
    """How many more runs each queue may have dispatched, of `size`. Counted again after a second, or once used up."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._capacity: dict[str, int] = {}
        self._counted_at: dict[str, datetime] = {}

    async def capacity(self, db: Connection, queues: Iterable[str], now: datetime) -> dict[str, int]:
        """How many more runs may be dispatched to each of these queues; zero or less if none."""
        queues = set(queues)
        stale = [q for q in queues if self._capacity.get(q, 0) <= 0 or now - self._counted_at[q] > _FRESH]
        if stale:
            dispatched = {record["queue"]: record["runs"] for record in await db.fetch(_DISPATCHED, stale)}
            self._capacity |= {queue: self._size - dispatched.get(queue, 0) for queue in stale}
            self._counted_at |= dict.fromkeys(stale, now)
        return {queue: self._capacity[queue] for queue in queues}

    def left(self, queue: str) -> int:
        """The capacity that the queue had when it was counted, less what was used since."""
        return self._capacity.get(queue, 0)

    def use(self, runs: Iterable[Run]) -> None:
        """Take capacity for runs that were just dispatched."""
        for run in runs:
            if run.queue in self._capacity:  # otherwise the first count will include the run
                self._capacity[run.queue] -= 1
