"""The lines of all days of a log, also where it goes on past midnight."""

from datetime import UTC, date, datetime

from duebook_common.store.database import Pool, acquire
from duebook_common.store.day_lines import next_day, write_line

_NEWEST_DAY = "SELECT max((recorded_at AT TIME ZONE 'UTC')::date) FROM events"


async def write_lines(pool: Pool) -> None:
    """Write the line of each day without one, up to that of the newest event."""
    newest: date = await pool.fetchval(_NEWEST_DAY)
    while (day := await _next_day(pool)) <= newest:
        assert await write_line(pool, day, datetime.now(UTC)) is not None


async def _next_day(pool: Pool) -> date:
    async with acquire(pool) as db:
        day = await next_day(db)
    assert day is not None
    return day
