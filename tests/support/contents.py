"""Where the text of a content may be found: in every table of a database, as PostgreSQL would dump it."""

from duebook_common.store.database import Pool

_TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = 'public' ORDER BY 1
"""
_READ_ALL = """
INSERT INTO checkpoints (subscriber, xid, position)
SELECT subscriber, xid, position FROM unnest('{relay,follow-ups}'::text[]) AS subscriber,
    (SELECT xid, position FROM events ORDER BY xid DESC, position DESC LIMIT 1) AS newest
ON CONFLICT (subscriber) DO UPDATE SET xid = excluded.xid, position = excluded.position
"""


async def tables_with(pool: Pool, text: str) -> set[str]:
    """The tables of which some row has the text."""
    found = set()
    for (table,) in await pool.fetch(_TABLES):
        row = f"SELECT EXISTS (SELECT FROM {table} AS t WHERE t::text ILIKE '%' || $1 || '%')"
        if await pool.fetchval(row, text):
            found.add(table)
    return found


async def read_the_log(pool: Pool) -> None:
    """Let the relay and the follow-ups have dealt with all events."""
    await pool.execute(_READ_ALL)
