"""Which definition of a job was in force when one of its events was recorded."""

from collections.abc import Sequence

from duebook_common.domain.definition import Definition
from duebook_common.store.codec import DEFINITION
from duebook_common.store.database import Connection

_IN_FORCE = """
SELECT defined.data -> 'definition' AS definition
FROM unnest($1::text[], $2::int[]) WITH ORDINALITY AS wanted (stream, version, n), LATERAL (
    SELECT data FROM events
    WHERE events.stream = wanted.stream AND events.version <= wanted.version AND type IN ('JobCreated', 'JobChanged')
    ORDER BY events.version DESC LIMIT 1
) AS defined
ORDER BY n
"""


async def in_force(db: Connection, places: Sequence[tuple[str, int]]) -> list[Definition]:
    """The definition at each version of a job's stream, in the same order; those events must exist."""
    if not places:
        return []
    records = await db.fetch(_IN_FORCE, *zip(*places, strict=True))
    return [DEFINITION.validate_python(record["definition"]) for record in records]
