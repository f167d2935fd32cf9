"""A scheduler without archives says that erasures from archives wait: nothing else would."""

import structlog

from duebook_common.runtime.telemetry import ERASURE_OVERDUE
from duebook_common.store.archive_handling import erasure_overdue
from duebook_common.store.database import Pool, acquire

log = structlog.stdlib.get_logger("archives")


class WaitingErasures:
    """Any number of schedulers may run it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def step(self) -> int:
        """Set the gauge, and say what to set where erasures wait."""
        async with acquire(self._pool) as db:
            seconds = await erasure_overdue(db)
        ERASURE_OVERDUE.set(seconds)
        if seconds:
            log.warning("contents stay in an archive", reason="DUEBOOK_ARCHIVE_URL is missing", seconds=round(seconds))
        return 0
