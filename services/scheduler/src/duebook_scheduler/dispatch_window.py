"""The bound on what is dispatched ahead: the rest stays due rows, sortable, cancellable and cheap."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection

_AHEAD = "SELECT queue, count(*) AS ahead FROM runs WHERE status = 'dispatched' AND queue = ANY($1) GROUP BY queue"
_FRESH = timedelta(seconds=1)


class DispatchWindow:
    """How many more runs may stand ahead in each queue; counted anew every second, and when it runs out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left: dict[str, int] = {}
        self._counted: dict[str, datetime] = {}

    async def of(self, db: Connection, queues: Iterable[str], now: datetime) -> dict[str, int]:
        """The room left in these queues."""
        queues = set(queues)
        old = [q for q in queues if self._left.get(q, 0) <= 0 or now - self._counted[q] > _FRESH]
        if old:
            ahead = {record["queue"]: record["ahead"] for record in await db.fetch(_AHEAD, old)}
            self._left |= {queue: self._most - ahead.get(queue, 0) for queue in old}
            self._counted |= dict.fromkeys(old, now)
        return {queue: self._left[queue] for queue in queues}

    def use(self, runs: Iterable[Run]) -> None:
        """These runs were dispatched just now."""
        for run in runs:
            if run.queue in self._left:  # else nobody has counted yet, and the count will see it
                self._left[run.queue] -= 1
