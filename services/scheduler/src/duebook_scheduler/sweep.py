"""Taking messages out of dead-letter queues once their run was redriven or discarded."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from duebook_common.broker.messages import MessageUnreadable, RunMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import HORIZON
from duebook_scheduler.checkpoints import claim, move_checkpoint
from duebook_scheduler.dead_letter_scan import look_through

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

_DEATHS = """
SELECT run_id, CASE WHEN status = 'dead_lettered' THEN dispatch END AS death FROM runs WHERE run_id = ANY($1::uuid[])
"""

_BATCH = 10_000
_SECONDS = 5.0
_LONGEST = 8  # looks after 1, 2 and 4 times the pause: within the minute that is promised


@dataclass(frozen=True, slots=True)
class _Missing:
    """A message that was not there to be taken: somebody was looking at it, or it is still on its way."""

    queue: str
    at: float
    pause: float


class Sweeper:
    """Looks through a dead-letter queue after the books say that one of its runs no longer rests."""

    def __init__(self, pool: Pool, publisher: Publisher, pause: float = _SECONDS) -> None:
        self._pool, self._publisher, self._pause = pool, publisher, pause
        self._missing: dict[UUID, _Missing] = {}

    async def step(self) -> int:
        """Sweep the queues of one batch of redrives and discards; returns how many there were."""
        if not self._publisher.connected:
            return 0
        async with transaction(self._pool) as db:
            place = await claim(db, "sweeper")
            if place is None:
                return 0
            records = await db.fetch(_NEXT, place.xid, place.position, _BATCH)
            now = time.monotonic()
            wanted = {run_id: missing for run_id, missing in self._missing.items() if missing.at <= now}
            wanted |= {record["run_id"]: _Missing(record["queue"], now, self._pause) for record in records}
            found = set[UUID]()
            for queue in sorted({missing.queue for missing in wanted.values()}):
                found |= await self._sweep(db, queue)
            if records:
                await move_checkpoint(db, "sweeper", place, records[-1])
        self._look_again(wanted, found)
        return len(records)

    def _look_again(self, wanted: dict[UUID, _Missing], found: Iterable[UUID]) -> None:
        """Where a message was not found, later once more, each time later; in the end it was gone before."""
        now = time.monotonic()
        for run_id, missing in wanted.items():
            self._missing.pop(run_id, None)
            if missing.pause < _LONGEST * self._pause:
                self._missing[run_id] = _Missing(missing.queue, now + missing.pause, missing.pause * 2)
        for run_id in found:
            self._missing.pop(run_id, None)

    async def _sweep(self, db: Connection, queue: str) -> set[UUID]:
        """Take out of a dead-letter queue what no longer rests; returns the runs of what was taken out."""
        sweep = _Sweep(db)
        await look_through(self._publisher, queue, sweep.over)
        return sweep.found


class _Sweep:
    """Judges the messages of one queue by the books; of two for the same death one is enough."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._seen: set[tuple[UUID, int]] = set()
        self.found: set[UUID] = set()

    async def over(self, bodies: Sequence[bytes]) -> list[bool]:
        messages = [_decode(body) for body in bodies]
        records = await self._db.fetch(_DEATHS, [message.run_id for message in messages if message is not None])
        deaths = {record["run_id"]: record["death"] for record in records}
        return [message is not None and self._is_over(message, deaths) for message in messages]

    def _is_over(self, message: RunMessage, deaths: Mapping[UUID, int | None]) -> bool:
        if message.run_id not in deaths:
            return False  # nobody's: an operator's business
        key = message.run_id, message.dispatch
        over = key in self._seen or deaths[message.run_id] != message.dispatch
        self._seen.add(key)
        if over:
            self.found.add(message.run_id)
        return over


def _decode(body: bytes) -> RunMessage | None:
    try:
        return RunMessage.decode(body)
    except MessageUnreadable:
        return None
