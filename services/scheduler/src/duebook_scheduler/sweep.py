"""Taking messages out of dead-letter queues once their run was redriven or discarded."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aio_pika.abc import AbstractIncomingMessage

from duebook_common.database import Pool, transaction
from duebook_common.domain.run import Run, RunStatus
from duebook_common.eventstore import HORIZON
from duebook_common.messaging import MessageUnreadable, RunMessage, dead_letter_queue, declare_work
from duebook_common.publishing import Publisher
from duebook_common.rows import load_runs
from duebook_common.subscription import claim, move_checkpoint

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

_BATCH, _MOST = 10_000, 20_000
_SECONDS = 5.0
_LONGEST = 8  # looks after 1, 2 and 4 times the pause: within the minute that is promised


@dataclass(frozen=True, slots=True)
class _Missing:
    """A message that was not there to be taken: somebody was looking at it, or it is still on its way."""

    queue: str
    at: float
    pause: float


_Read = tuple[AbstractIncomingMessage, RunMessage]


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

    async def _sweep(self, db: Any, queue: str) -> set[UUID]:
        """Take every message out, give back those whose run still rests: closing the channel does that.

        Returns the runs of those that were taken out.
        """
        channel = await self._publisher.extra_channel()
        try:
            await declare_work(channel, queue)
            resting = await channel.get_queue(dead_letter_queue(queue), ensure=False)
            messages: list[AbstractIncomingMessage] = []
            while len(messages) < _MOST and (message := await resting.get(fail=False)) is not None:
                messages.append(message)
            settled = await self._settled(db, messages)
            for message, _ in settled:
                await message.ack()
            return {decoded.run_id for _, decoded in settled}
        finally:
            await channel.close()

    async def _settled(self, db: Any, messages: Sequence[AbstractIncomingMessage]) -> list[_Read]:
        read = [(message, _decode(message.body)) for message in messages]
        runs = await load_runs(db, {decoded.run_id for _, decoded in read if decoded is not None})
        seen: set[tuple[UUID, int]] = set()
        settled = list[_Read]()
        for message, decoded in read:
            if decoded is None or decoded.run_id not in runs:
                continue  # nobody's: an operator's business
            key = decoded.run_id, decoded.dispatch
            if key in seen or not _rests(runs[decoded.run_id], decoded.dispatch):
                settled.append((message, decoded))
            seen.add(key)
        return settled


def _rests(run: Run, dispatch: int) -> bool:
    return run.status is RunStatus.DEAD_LETTERED and run.dispatch == dispatch


def _decode(body: bytes) -> RunMessage | None:
    try:
        return RunMessage.decode(body)
    except MessageUnreadable:
        return None
