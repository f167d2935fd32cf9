"""A scheduler without archives says that erasures from archives wait, and takes seals back: nothing else would."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from duebook_common.runtime.telemetry import ERASURE_OVERDUE
from duebook_common.store import departure
from duebook_common.store.archive_handling import erasure_overdue
from duebook_common.store.database import Pool, acquire
from duebook_common.store.partitions import periods

log = structlog.stdlib.get_logger("archives")


class WithoutArchives:
    """Any number of schedulers may run it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def step(self) -> int:
        """Set the gauge, say what to set where erasures wait, and take back the seals of killed archivers."""
        async with acquire(self._pool) as db:
            seconds, known = await erasure_overdue(db), await periods(db)
        sealed = [each.born for each in known if each.status == "leaving"]
        ERASURE_OVERDUE.set(seconds)
        if seconds:
            log.warning("contents stay in an archive", reason="DUEBOOK_ARCHIVE_URL is missing", seconds=round(seconds))
        if sealed:
            await self._unseal(sealed)
        return 0

    async def _unseal(self, sealed: Sequence[datetime]) -> None:
        """Let periods take events again whose archiver was killed, unless their archive was recorded."""
        async with departure.alone(self._pool) as alone:
            if alone is not None:
                for born in sealed:
                    await departure.unseal(self._pool, born)
