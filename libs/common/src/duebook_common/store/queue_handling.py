"""Commands of queues and of the installation: load, decide, append and project, in one transaction under a lock."""

import asyncio
import random
import time

from asyncpg import LockNotAvailableError

from duebook_common.domain.queue import state as queue_state
from duebook_common.domain.queue.decide import QueueCommand, decide
from duebook_common.domain.queue.events import QueueEvent, stream
from duebook_common.domain.queue.state import Pause
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import Write, append
from duebook_common.store.locks import lock_pauses
from duebook_common.store.queue_pauses import last_pause, put_pause


class StartsGoOn(Exception):
    """Attempts were being started all the time, so no pause could begin. Nothing was written."""


_TRYING_SECONDS, _LONGEST_PAUSE = 5.0, 0.1


async def handle_queue(pool: Pool, name: str, command: QueueCommand, actor: Actor) -> Pause | None:
    """Execute a command for a queue, or for the installation; returns its last pause, None if there was none.

    The lock waits for the starts of attempts that are being committed, and no attempt starts once this has returned a
    pause. Starts wait for the lock too, so each try is short. Raises StartsGoOn if all tries of 5 s were in vain.
    """
    until = time.monotonic() + _TRYING_SECONDS
    while True:
        try:
            return await _handle(pool, name, command, actor)
        except LockNotAvailableError:
            if time.monotonic() > until:
                raise StartsGoOn(name) from None
        await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))


async def _handle(pool: Pool, name: str, command: QueueCommand, actor: Actor) -> Pause | None:
    async with transaction(pool) as db:
        await lock_pauses(db)
        last = await last_pause(db, name)
        events = decide(name, last, command, await db.fetchval("SELECT clock_timestamp()"))
        return await _record(db, name, last, events, actor) if events else last


async def _record(
    db: Connection, name: str, last: Pause | None, events: list[QueueEvent], actor: Actor
) -> Pause | None:
    expected = 0 if last is None else last.version
    if await append(db, [Write(stream(name), expected, events, None, meta=actor.meta())]):
        raise Conflict(f"the row of the pause of {name} is not that of its stream: run `duebook rebuild`")
    for version, event in enumerate(events, expected + 1):
        last = queue_state.evolve(last, name, version, actor.name, event)
        await put_pause(db, last)
    return last
