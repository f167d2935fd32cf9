"""When the events of a job were recorded, newest first."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.domain.job import events
from duebook_common.store.database import Pool, acquire

_RECORDED = "SELECT type, recorded_at FROM events WHERE stream = $1 ORDER BY version DESC LIMIT $2"


class EventTime(NamedTuple):
    type: str
    recorded_at: datetime


async def recorded_events(pool: Pool, job_id: UUID, limit: int) -> list[EventTime]:
    async with acquire(pool) as db:
        rows: list[Any] = await db.fetch(_RECORDED, events.stream(job_id), limit)
    return [EventTime(row["type"], row["recorded_at"]) for row in rows]
