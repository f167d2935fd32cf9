"""The acts of bulk operations whose streams have left with their period: counted before it is dropped.

An operation counts its targets for ever, and the log has the acts only until their period has left.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from duebook_common.store.database import Connection, Pool

# A stream is in one period, so that the counts of periods and of the log can be added.
_NOTE = """
INSERT INTO departed_acts (born, bulk_id, prefix, streams)
SELECT born, (meta ->> 'bulk')::uuid, split_part(stream, '-', 1) || '-', count(DISTINCT stream)
FROM events WHERE born = $1 AND meta ? 'bulk' GROUP BY 1, 2, 3
ON CONFLICT (bulk_id, prefix, born) DO UPDATE SET streams = excluded.streams
"""
_ACTS = """
SELECT bulk_id, prefix, sum(streams)::bigint AS streams FROM (
    SELECT (meta ->> 'bulk')::uuid AS bulk_id, split_part(stream, '-', 1) || '-' AS prefix,
           count(DISTINCT stream) AS streams
    FROM events WHERE meta ? 'bulk' GROUP BY 1, 2
    UNION ALL
    SELECT bulk_id, prefix, streams FROM departed_acts JOIN periods USING (born) WHERE status = 'archived'
) AS acts GROUP BY 1, 2
"""
_ACTS_OF = """
SELECT (SELECT count(DISTINCT stream) FROM events WHERE meta ->> 'bulk' = $1::uuid::text AND starts_with(stream, $2))
     + (SELECT coalesce(sum(streams), 0)::bigint FROM departed_acts JOIN periods USING (born)
        WHERE status = 'archived' AND bulk_id = $1 AND prefix = $2)
"""


async def note_departed_acts(pool: Pool, born: datetime) -> None:
    """Note the acts in a sealed period (UTC), before it is dropped. To repeat it is harmless."""
    await pool.execute(_NOTE, born)


async def all_acts(db: Connection) -> Mapping[tuple[UUID, str], int]:
    """The acts of all bulk operations, departed ones included, by operation and prefix of their streams."""
    return {(record["bulk_id"], record["prefix"]): record["streams"] for record in await db.fetch(_ACTS)}


async def acts_of(db: Connection, bulk_id: UUID, prefix: str) -> int:
    """The acts of one operation in streams with this prefix, departed ones included."""
    acts: int = await db.fetchval(_ACTS_OF, bulk_id, prefix)
    return acts
