"""Invariant 8: the triggers that guard the log are there and fire, on `events` and on each of its partitions."""

from typing import Any

from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.database import Connection

_TRIGGERS = ("append_only", "only_erasure", "only_later")
# Only tables that the snapshot sees: functions such as `pg_partition_tree` see partitions that came after it.
_UNGUARDED = """
WITH guarded AS (
    SELECT 'events'::regclass::oid AS id
    UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = 'events'::regclass
)
SELECT format('%I', relname) AS table, name AS trigger, tgenabled IS NOT NULL AS exists
FROM guarded JOIN pg_class ON pg_class.oid = id CROSS JOIN unnest($1::text[]) AS name
LEFT JOIN pg_trigger ON tgrelid = id AND tgname = name
WHERE tgenabled IS NULL OR tgenabled NOT IN ('O', 'A')
ORDER BY relname, name
"""


async def check_triggers(db: Connection) -> list[Breach]:
    """A breach for each trigger that is missing, or does not fire for what services and people do."""
    return [_breach(record) for record in await db.fetch(_UNGUARDED, _TRIGGERS)]


def _breach(record: Any) -> Breach:
    table, trigger = record["table"], record["trigger"]
    remedy = f"`ALTER TABLE {table} ENABLE TRIGGER {trigger}`"
    fault, remedy = ("off", remedy) if record["exists"] else ("missing", "make it again as the schema does")
    says = f"the trigger {trigger} is {fault}, so events may have been changed: {remedy}, then `duebook verify`"
    return Breach(Invariant.APPEND_ONLY, f"table {table}", says)
