"""`duebook rebase-log`: let the log begin anew in this PostgreSQL cluster, whose transaction ids another one gave.

All events get transaction id 0, which no transaction has. Their sequence numbers keep the order of each stream, and
everything that is appended from now on comes after them.
"""

from dataclasses import dataclass

from duebook_common.store import statistics
from duebook_common.store.database import Connection, Pool, rows_changed, transaction
from duebook_common.store.log_origin import parts_ahead

_LOCK = "LOCK TABLE events, log_lines, checkpoints IN ACCESS EXCLUSIVE MODE"

# What a subscriber has not dealt with is what lies after its checkpoint, in the order in which it reads, and what was
# appended with lower transaction ids since the restore: that has higher sequence numbers. It goes on with the first of
# these, and may meet events again that it had dealt with.
_MOVE_CHECKPOINTS = """
UPDATE checkpoints AS c SET xid = '0', position = coalesce(
    (SELECT min(e.position) - 1 FROM events AS e
     WHERE (e.xid, e.position) > (c.xid, c.position) OR e.position > c.position),
    (SELECT max(position) FROM events), 0)
"""
_CONTINUE_SEQUENCE = """
SELECT setval('events_position_seq', greatest(
    last_value, (SELECT max(position) FROM events), (SELECT max(position) FROM log_lines)
)) FROM events_position_seq
"""
_ALLOW, _REFUSE = (f"ALTER TABLE events {how} TRIGGER append_only" for how in ("DISABLE", "ENABLE"))
_REBASE_EVENTS = "UPDATE events SET xid = '0' WHERE xid <> '0'"
_REBASE_LOG_LINES = "UPDATE log_lines SET xid = '0' WHERE xid <> '0'"
_REBASE_PERIODS = "UPDATE periods SET sealed_at = pg_current_xact_id() WHERE sealed_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class RebaseSummary:
    """How many rows and sequences were moved; none if the log belongs to the cluster already."""

    sequences: int = 0
    events: int = 0
    log_lines: int = 0
    checkpoints: int = 0


async def rebase_log(pool: Pool) -> RebaseSummary:
    """Rebase the log if it lies ahead of the cluster: all in one transaction, so that a crash leaves it as it was."""
    async with transaction(pool) as db:
        await db.execute(_LOCK)
        sequences = 0
        if "positions" in await parts_ahead(db):
            await db.execute(_CONTINUE_SEQUENCE)
            sequences = 1
        if not await parts_ahead(db):
            return RebaseSummary(sequences)
        checkpoints = rows_changed(await db.execute(_MOVE_CHECKPOINTS))
        await statistics.forget(db)  # its subscriber must meet no event again
        await db.execute(_REBASE_PERIODS)
        events, log_lines = await _rebase_events(db), rows_changed(await db.execute(_REBASE_LOG_LINES))
        return RebaseSummary(sequences, events, log_lines, checkpoints)


async def _rebase_events(db: Connection) -> int:
    """The only change of recorded events that there is: it leaves everything but their place in the cluster's order."""
    await db.execute(_ALLOW)
    events = rows_changed(await db.execute(_REBASE_EVENTS))
    await db.execute(_REFUSE)
    return events
