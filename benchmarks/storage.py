"""Bytes on disk of each job: of all tables with their indexes, as they are, without a VACUUM."""

from duebook_common.store.database import Connection

_SIZES = """
SELECT root.relname AS table, sum(pg_total_relation_size(c.oid))::bigint AS bytes
FROM pg_class AS c JOIN pg_class AS root ON root.oid = coalesce(pg_partition_root(c.oid), c.oid)
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY 1
"""


async def sizes(db: Connection) -> dict[str, int]:
    """The bytes of each table with its indexes."""
    return {row["table"]: row["bytes"] for row in await db.fetch(_SIZES)}


def growth(before: dict[str, int], after: dict[str, int], jobs: int) -> dict[str, float]:
    """The bytes that each table has grown by, per job, the largest first; without those that grew by less than one."""
    grown = {table: (after[table] - before[table]) / jobs for table in before}
    return {table: bytes_ for table, bytes_ in sorted(grown.items(), key=lambda item: -item[1]) if bytes_ >= 1}
