"""Opens the periods of the log as they begin. Whatever opens late, new streams go on in the period before."""

import structlog

from duebook_common.domain.periods import MANY, PeriodLength
from duebook_common.store.database import Pool, transaction
from duebook_common.store.partitions import count_periods, open_current_period

log = structlog.stdlib.get_logger("periods")


class PeriodOpener:
    """Any number of schedulers may do so."""

    def __init__(self, pool: Pool, length: PeriodLength) -> None:
        self._pool, self._length = pool, length
        self._counted = 0

    async def step(self) -> int:
        """Open the period of the database's time unless it is open; always 0. Warns of more and more periods."""
        async with transaction(self._pool) as db:
            await open_current_period(db, self._length)
            count = await count_periods(db)
        if count > max(MANY, self._counted):
            log.warning("the log has many periods, which slows each statement on it down: take longer ones by "
                        "DUEBOOK_PARTITIONS, or a shorter DUEBOOK_RETENTION", periods=count)  # fmt: skip
        self._counted = count
        return 0
