"""Which tasks have an executor, so that the scheduler sends no run that no executor could start."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from duebook_common.store.database import Connection
from duebook_common.store.executors import QueueTask, with_executor

_FRESH = timedelta(seconds=1)
_MOST = 100_000


class ServedTasks:
    """Remembers for a second which tasks have an executor. That one has none is always read afresh.

    Otherwise a run that an executor has just woken by its registration could be postponed once more.
    """

    def __init__(self) -> None:
        self._good_until: dict[QueueTask, datetime] = {}

    async def among(self, db: Connection, wanted: Iterable[QueueTask], now: datetime) -> set[QueueTask]:
        """Of these pairs of queue and task those that have an executor."""
        wanted = set(wanted)
        known = {pair for pair in wanted if self._good_until.get(pair, now) > now}
        if known == wanted:
            return known
        if len(self._good_until) > _MOST:
            self._good_until.clear()
        found = await with_executor(db, wanted - known)
        self._good_until |= dict.fromkeys(found, now + _FRESH)
        return known | found
