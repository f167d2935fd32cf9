"""The paused queues, as each pass of the poll sees them, and what a pause or a resume changes for their runs.

A pause calls back the messages that are under way: their runs wait, and give back the slots of their concurrency keys.
A resume wakes the runs that wait, as many at a time as one pass works off. Each scheduler does both when it sees the
change, and after its own start as if it saw the change only then. Both move `wake_at` only, so a repetition does no
harm.
"""

from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.domain.queue.state import Pauses
from duebook_common.store.database import Connection
from duebook_common.store.queue_pauses import pauses_now, pauses_since
from duebook_common.store.queue_wakeups import LONGEST_WAIT_FOR_RESUME, recall_dispatched, wake_queues
from duebook_scheduler.lanes import lanes

# Runs of one pass, which all queues share, so that it stays short; each queue gets a few at least.
_RECALLED_AT_ONCE, _WOKEN_AT_ONCE, _FEW = 5_000, 1_000, 10
_NEVER = datetime.max.replace(tzinfo=UTC)


class PausedQueues:
    """Whether queues are paused. `read` is called once in each pass, before anything is decided."""

    def __init__(self) -> None:
        self.now = Pauses()
        self._recall = set[str]()  # the paused queues whose dispatched runs have to be called back
        self._wake: dict[str, datetime] | None = None  # the resumed queues, and up to when their runs have to be woken

    async def read(self, db: Connection, now: datetime) -> int:
        """Read the pauses, and follow up on changes; returns how many runs were moved."""
        before, after = self.now, await pauses_now(db)
        paused, resumed = after.names - before.names, before.names - after.names
        if self._wake is None:
            ended = await pauses_since(db, now - LONGEST_WAIT_FOR_RESUME - timedelta(minutes=1))
            resumed = ended.names - after.names
        to_recall, to_wake = await _queues(db, paused), await _queues(db, resumed)
        self.now = after  # once nothing can fail any more: a failed pass must see the change again
        self._recall |= to_recall
        self._wake = (self._wake or {}) | dict.fromkeys(to_wake, _NEVER)
        self._recall = {queue for queue in self._recall if self.now.going_on(queue) is not None}
        self._wake = {queue: until for queue, until in self._wake.items() if self.now.going_on(queue) is None}
        return await self._recall_runs(db, now) + await self._wake_runs(db, now)

    async def _recall_runs(self, db: Connection, now: datetime) -> int:
        if not self._recall:
            return 0
        limit = max(_FEW, _RECALLED_AT_ONCE // len(self._recall))
        recalled = await recall_dispatched(db, self._recall, now, limit)
        self._recall = {queue for queue, runs in recalled.items() if runs == limit}
        return sum(recalled.values())

    async def _wake_runs(self, db: Connection, now: datetime) -> int:
        if not self._wake:
            return 0
        moved, left = await wake_queues(db, self._wake, now, max(_FEW, _WOKEN_AT_ONCE // len(self._wake)))
        self._wake = {queue: until for queue, until in left.items() if until > now}
        return moved


async def _queues(db: Connection, names: AbstractSet[str]) -> set[str]:
    """The queues that these names of pauses stand for; those of a freeze are all that have runs."""
    if INSTALLATION not in names:
        return set(names)
    return {*names - {INSTALLATION}, *(lane.queue for lane in await lanes(db, "runs"))}
