"""The loop that writes the line of each day once it is over."""

from datetime import UTC, datetime, time, timedelta

import structlog

from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.day_lines import DAY, next_day, write_line
from duebook_common.store.log_progress import Horizon

log = structlog.stdlib.get_logger("day lines")

_LATER = timedelta(hours=1)  # after midnight: by then all appends of the day are committed
_OPEN_FOR = timedelta(minutes=30)


class DayLines:
    """Any number of schedulers may run it; each day has one line, which is logged: a copy outside of the database."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock, self._horizon = pool, clock, Horizon()

    async def step(self) -> int:
        """Write one line. Returns 1 if there may be another one to write."""
        now = self._clock.now()
        async with acquire(self._pool) as db:
            day = await next_day(db)
            if day is None or now < datetime.combine(day + DAY, time(), UTC) + _LATER:
                return 0
            if await self._horizon.age(db) > _OPEN_FOR.total_seconds():
                return 0  # a transaction that is still open may have events of the day
        line = await write_line(self._pool, day, now)
        if line is None:
            return 0
        log.info("a day is over", line=str(line))
        return 1
