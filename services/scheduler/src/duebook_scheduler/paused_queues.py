"""The paused queues, as each pass of the poll sees them, and what a pause or a resume changes for their runs.

A pause calls back the messages that are under way: their runs wait, and give back the slots of their concurrency keys.
A resume wakes all runs that wait. Each scheduler does both when it sees the change, and after its own start as if it
saw the change only then. Both move `wake_at` only, so a repetition does no harm.
"""

from datetime import datetime, timedelta

from duebook_common.domain.queue.state import Pauses
from duebook_common.store.database import Connection
from duebook_common.store.queue_pauses import pauses_now, pauses_since
from duebook_common.store.wakeups import LONGEST_WAIT_FOR_RESUME, recall_dispatched, wake_queue

_AT_ONCE = 5_000  # runs, so that one step stays short


class PausedQueues:
    """Whether queues are paused. `read` is called once in each pass, before anything is decided."""

    def __init__(self) -> None:
        self.now = Pauses()
        self._recall = set[str]()  # the paused names whose dispatched runs have to be called back
        self._wake: dict[str, datetime] | None = None  # the resumed names, and when: their runs have to be woken

    async def read(self, db: Connection, now: datetime) -> int:
        """Read the pauses, and follow up on changes; returns how many runs were moved."""
        found = await pauses_now(db)
        if self._wake is None:
            ended = await pauses_since(db, now - LONGEST_WAIT_FOR_RESUME - timedelta(minutes=1))
            self._wake = dict.fromkeys(ended.names - found.names, now)
        before, self.now = self.now, found
        self._wake = {name: at for name, at in self._wake.items() if name not in found.names}
        self._recall = (self._recall & self.now.names) | (self.now.names - before.names)
        self._wake |= dict.fromkeys(before.names - self.now.names, now)
        if not self._recall and not self._wake:
            return 0
        return await self._follow_up(db, now)

    async def _follow_up(self, db: Connection, now: datetime) -> int:
        assert self._wake is not None
        moved = 0
        for name in sorted(self._recall):
            moved += (recalled := await recall_dispatched(db, name, now, _AT_ONCE))
            self._recall -= {name} if recalled < _AT_ONCE else set()
        for name, at in sorted(self._wake.items()):
            moved += (woken := await wake_queue(db, name, at, _AT_ONCE))
            if woken < _AT_ONCE:
                del self._wake[name]
        return moved
