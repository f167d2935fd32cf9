"""The bound on dispatched runs per queue: the rest of a backlog stays in the database, where priority still counts."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_scheduler.pace import Pace

_DISPATCHED = "SELECT queue, count(*) AS runs FROM runs WHERE status = 'dispatched' AND queue = ANY($1) GROUP BY queue"
_FRESH, _QUICK = timedelta(seconds=1), 0.002
_LONGEST = timedelta(seconds=10)  # several schedulers may together exceed the window by what each sends meanwhile
_FOR_USED_UP = 10  # times as often as one that has capacity left


class DispatchWindow:
    """How many more runs each queue may have dispatched, of `size`.

    Counted again after a second, or once used up; less often while dead rows make it slow to count. `clock`: monotonic.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size, self._clock, self._pace = size, clock, Pace()
        self._capacity: dict[str, int] = {}
        self._counted_at: dict[str, datetime] = {}

    async def capacity(self, db: Connection, queues: Iterable[str], now: datetime) -> dict[str, int]:
        """How many more runs may be dispatched to each of these queues; zero or less if none."""
        queues = set(queues)
        if stale := [queue for queue in queues if self._is_stale(queue, now)]:
            began = self._clock()
            dispatched = {record["queue"]: record["runs"] for record in await db.fetch(_DISPATCHED, stale)}
            self._pace.took(self._clock() - began)
            self._capacity |= {queue: self._size - dispatched.get(queue, 0) for queue in stale}
            self._counted_at |= dict.fromkeys(stale, now)
        return {queue: self._capacity[queue] for queue in queues}

    def _is_stale(self, queue: str, now: datetime) -> bool:
        if queue not in self._counted_at:
            return True
        pause = min(timedelta(seconds=self._pace.pause(_QUICK)), _LONGEST)
        age = abs(now - self._counted_at[queue])
        return age > max(pause, _FRESH) or (self._capacity[queue] <= 0 and age >= pause / _FOR_USED_UP)

    def left(self, queue: str) -> int:
        """The capacity that the queue had when it was counted, less what was used since."""
        return self._capacity.get(queue, 0)

    def use(self, runs: Iterable[Run]) -> None:
        """Take capacity for runs that were just dispatched."""
        for run in runs:
            if run.queue in self._capacity:  # otherwise the first count will include the run
                self._capacity[run.queue] -= 1
