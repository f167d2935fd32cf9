"""The definitions that a job has had, newest first: who changed what, and when."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.domain.job import events
from duebook_common.store.codec import complete_definition
from duebook_common.store.database import Pool, acquire

_DEFINED = """
SELECT type, data->'definition' AS definition, meta->>'actor' AS actor, recorded_at FROM events
WHERE stream = $1 AND type IN ('JobCreated', 'JobChanged') ORDER BY version DESC LIMIT $2
"""


class DefinedVersion(NamedTuple):
    """A definition as it was recorded, with every default."""

    definition: dict[str, Any]
    actor: str
    recorded_at: datetime


async def defined_versions(pool: Pool, job_id: UUID, limit: int = 50) -> list[DefinedVersion]:
    async with acquire(pool) as db:
        rows: list[Any] = await db.fetch(_DEFINED, events.stream(job_id), limit)
    return [
        DefinedVersion(complete_definition(row["definition"]), row["actor"] or "", row["recorded_at"]) for row in rows
    ]
