"""The periods of the log as PostgreSQL has them: each has a partition of `events` and one of `log_lines`.

New streams are opened in the period that is open, whatever the time is. So no stream lacks a partition, however late
the next period is opened.
"""

from dataclasses import dataclass
from datetime import datetime

from duebook_common.domain.periods import PeriodLength, period_start
from duebook_common.store.database import Connection

_NOW = "SELECT clock_timestamp()"
_IS_OPEN = "SELECT EXISTS (SELECT FROM periods WHERE status = 'open' AND born >= $1)"
_OPEN = "SELECT open_period($1)"
_COUNT = "SELECT count(*) FROM periods WHERE status <> 'archived'"
_PERIODS = "SELECT born, status, closed_at FROM periods ORDER BY born"


@dataclass(frozen=True, slots=True)
class Period:
    """A period of the log. `born` (UTC) is its start; `status` is `open`, `closed`, `leaving` or `archived`.

    `closed_at` (UTC) is when the next one was opened: no stream is opened in this one since then.
    """

    born: datetime
    status: str
    closed_at: datetime | None


async def periods(db: Connection) -> list[Period]:
    """All periods, oldest first, also those that have left."""
    return [Period(**record) for record in await db.fetch(_PERIODS)]


async def count_periods(db: Connection) -> int:
    """How many periods the database has: those that have not left."""
    count: int = await db.fetchval(_COUNT)
    return count


async def open_period(db: Connection, start: datetime) -> bool:
    """Open the period that starts then (UTC), unless a later one is open. Returns whether it was opened."""
    if await db.fetchval(_IS_OPEN, start):
        return False
    opened: bool = await db.fetchval(_OPEN, start)
    return opened


async def open_current_period(db: Connection, length: PeriodLength) -> bool:
    """Open the period of the database's time, unless it is open already. Returns whether it was opened."""
    return await open_period(db, period_start(await db.fetchval(_NOW), length))
