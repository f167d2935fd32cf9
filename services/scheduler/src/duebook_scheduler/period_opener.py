"""Opens the periods of the log as they begin. Whatever opens late, new streams go on in the period before."""

from duebook_common.domain.periods import PeriodLength
from duebook_common.store.database import Pool, transaction
from duebook_common.store.partitions import open_current_period


class PeriodOpener:
    """Any number of schedulers may do so."""

    def __init__(self, pool: Pool, length: PeriodLength) -> None:
        self._pool, self._length = pool, length

    async def step(self) -> int:
        """Open the period of the database's time unless it is open; always 0."""
        async with transaction(self._pool) as db:
            await open_current_period(db, self._length)
        return 0
