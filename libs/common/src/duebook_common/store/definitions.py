"""The definition of a job that was in force when one of its events was recorded."""

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


async def in_force(db: Connection, versions: Sequence[tuple[str, int]]) -> list[Definition]:
    """The definition in force at each (stream, version) of jobs, in the same order. These events must exist."""
    if not versions:
        return []
    records = await db.fetch(_IN_FORCE, *zip(*versions, strict=True))
    return [DEFINITION.validate_python(record["definition"]) for record in records]
