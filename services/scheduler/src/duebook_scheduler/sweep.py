"""The sweep: removes messages from dead-letter queues once their run was redriven or discarded."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from duebook_common.broker.messages import MessageUnreadable, RunMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.store.checkpoints import claim, move_checkpoint
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import HORIZON
from duebook_scheduler.dead_letter_scan import scan

_NEXT = f"""
SELECT e.xid, e.position, runs.run_id, runs.queue
FROM (
    SELECT xid, position, stream FROM events
    WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON} AND type IN ('RunRedriven', 'RunDiscarded')
      AND recorded_at < clock_timestamp() - interval '2 seconds'
    ORDER BY xid, position LIMIT $3
) AS e
JOIN runs ON runs.run_id = substring(e.stream FROM 5)::uuid
ORDER BY e.xid, e.position
"""  # noqa: S608

# Where nothing is left to sweep up to there: a checkpoint that stayed behind would keep old periods from leaving.
_END = f"""
SELECT xid, position FROM (
    SELECT xid, position FROM events WHERE {HORIZON} ORDER BY xid DESC, position DESC LIMIT 1
) AS newest
WHERE (xid, position) > ($1::xid8, $2) AND NOT EXISTS (
    SELECT FROM events AS left_over WHERE type IN ('RunRedriven', 'RunDiscarded')
    AND (left_over.xid, left_over.position) > ($1::xid8, $2)
    AND (left_over.xid, left_over.position) <= (newest.xid, newest.position)
)
"""  # noqa: S608

_DEAD_LETTERED_BY = """
SELECT run_id, CASE WHEN status = 'dead_lettered' THEN dispatch END AS dispatch
FROM runs WHERE run_id = ANY($1::uuid[])
"""

_BATCH = 10_000
_PAUSE_SECONDS = 5.0
_LAST_PAUSE = 8  # times the first: scans after 1, 2 and 4 times the pause end within the promised minute


@dataclass(frozen=True, slots=True)
class _Removal:
    """A message to remove, and when to scan its queue for it: `at` and `pause` in seconds of the monotonic clock."""

    queue: str
    at: float
    pause: float


class Sweeper:
    """Scans a dead-letter queue after one of its runs was redriven or discarded.

    A message that a scan does not find may be held by another consumer or still be on its way. The queue is scanned
    again for it, each time later, until the message is assumed gone.
    """

    def __init__(self, pool: Pool, publisher: Publisher, pause: float = _PAUSE_SECONDS) -> None:
        self._pool, self._publisher, self._pause = pool, publisher, pause
        self._pending: dict[UUID, _Removal] = {}

    async def step(self) -> int:
        """Scan the queues of one batch of redrives and discards; returns how many there were."""
        if not self._publisher.connected:
            return 0
        async with transaction(self._pool) as db:
            checkpoint = await claim(db, "sweeper")
            if checkpoint is None:
                return 0
            records = await db.fetch(_NEXT, checkpoint.xid, checkpoint.position, _BATCH)
            now = time.monotonic()
            due = {run_id: removal for run_id, removal in self._pending.items() if removal.at <= now}
            due |= {record["run_id"]: _Removal(record["queue"], now, self._pause) for record in records}
            removed = set[UUID]()
            for queue in sorted({removal.queue for removal in due.values()}):
                removed |= await self._scan(db, queue)
            swept = (records[-1]["xid"], records[-1]["position"]) if records else (checkpoint.xid, checkpoint.position)
            if (end := await db.fetchrow(_END, *swept) or next(reversed(records), None)) is not None:
                await move_checkpoint(db, "sweeper", checkpoint, end)
        self._reschedule(due, removed)
        return len(records)

    async def _scan(self, db: Connection, queue: str) -> set[UUID]:
        """Remove the obsolete messages of a dead-letter queue; returns their runs."""
        obsolete = _ObsoleteMessages(db)
        await scan(self._publisher, queue, obsolete.among)
        return obsolete.run_ids

    def _reschedule(self, due: dict[UUID, _Removal], removed: Iterable[UUID]) -> None:
        now = time.monotonic()
        for run_id, removal in due.items():
            self._pending.pop(run_id, None)
            if removal.pause < _LAST_PAUSE * self._pause:
                self._pending[run_id] = _Removal(removal.queue, now + removal.pause, removal.pause * 2)
        for run_id in removed:
            self._pending.pop(run_id, None)


class _ObsoleteMessages:
    """Finds the messages of one queue whose run is no longer dead-lettered by their dispatch, and duplicates."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._seen: set[tuple[UUID, int]] = set()
        self.run_ids: set[UUID] = set()

    async def among(self, bodies: Sequence[bytes]) -> list[bool]:
        """For each message body whether the message is obsolete. Foreign messages are left to an operator."""
        messages = [_decode(body) for body in bodies]
        run_ids = [message.run_id for message in messages if message is not None]
        records = await self._db.fetch(_DEAD_LETTERED_BY, run_ids)
        dispatches = {record["run_id"]: record["dispatch"] for record in records}
        return [message is not None and self._is_obsolete(message, dispatches) for message in messages]

    def _is_obsolete(self, message: RunMessage, dispatches: Mapping[UUID, int | None]) -> bool:
        if message.run_id not in dispatches:
            return False  # a run that this database does not know
        key = message.run_id, message.dispatch
        obsolete = key in self._seen or dispatches[message.run_id] != message.dispatch
        self._seen.add(key)
        if obsolete:
            self.run_ids.add(message.run_id)
        return obsolete


def _decode(body: bytes) -> RunMessage | None:
    try:
        return RunMessage.decode(body)
    except MessageUnreadable:
        return None
