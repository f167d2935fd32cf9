"""Mending the `wake_at` of jobs and runs that would otherwise sleep too long, or be looked at for ever."""

import structlog

from duebook_common.store.database import Pool, transaction
from duebook_common.store.wakeups import mend_wakeups

log = structlog.stdlib.get_logger("mending")

_BATCH, _MOST_NAMED = 500, 10  # rows


class WakeupMender:
    """Looks for times that no postponement explains. An index holds few other rows, so that a look costs nothing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def step(self) -> int:
        """Mend one batch; returns how many rows were wrong."""
        async with transaction(self._pool) as db:
            mended = await mend_wakeups(db, _BATCH)
        if mended:
            log.error("wake_at was wrong; it is now what the log says", count=len(mended), streams=mended[:_MOST_NAMED])
        return len(mended)
