"""Commands of queues and of the installation: load, decide, append and project, in one transaction under a lock."""

import asyncio
import random
import time
from datetime import timedelta

from asyncpg import LockNotAvailableError

from duebook_common.domain.queue import state as queue_state
from duebook_common.domain.queue.decide import PauseQueue, QueueCommand, decide
from duebook_common.domain.queue.events import QueueEvent, stream
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.ahead import LONGEST_LOOK_AHEAD
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import PERMANENT, Write, append
from duebook_common.store.locks import lock_pauses
from duebook_common.store.queue_pauses import last_pause, put_pause


class StartsGoOn(Exception):
    """Attempts were being started all the time, so no pause could begin. Nothing was written."""


_TRYING_SECONDS, _LONGEST_PAUSE = 5.0, 0.1
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 0.8  # seconds for the lock: they double, so that long transactions end within one


async def handle_queue(pool: Pool, name: str, command: QueueCommand, actor: Actor) -> Pause | None:
    """Execute a command for a queue, or for the installation; returns its last pause, None if there was none.

    The lock waits for the starts of attempts that are being committed, and no attempt starts once this has returned a
    pause. Starts wait for the lock too, so the first tries are short. Raises StartsGoOn if all tries of 5 s were in
    vain.

    A pause begins once those attempts have begun whose start was recorded ahead of it, and returns no earlier.
    """
    until, longest = time.monotonic() + _TRYING_SECONDS, _FIRST_WAIT
    while True:
        try:
            pause, wait = await _handle(pool, name, command, actor, longest)
            await asyncio.sleep(wait.total_seconds())
            return pause
        except LockNotAvailableError:
            if time.monotonic() > until:
                raise StartsGoOn(name) from None
            longest = min(2 * longest, _LONGEST_WAIT)
        await asyncio.sleep(random.uniform(0, _LONGEST_PAUSE))


# A run whose start was recorded ahead was created at that instant, too. Index: runs_newest.
_STARTED_AHEAD = """
SELECT now, greatest(now, (
    SELECT max(started_at) + interval '1 microsecond' FROM runs
    WHERE wake_at IS NOT NULL AND status = 'running' AND ($1 = '*' OR queue = $1) AND $2
      AND started_at >= now AND created_at >= now AND created_at <= now + $3::interval
)) AS at FROM clock_timestamp() AS now
"""


async def _handle(
    pool: Pool, name: str, command: QueueCommand, actor: Actor, longest: float
) -> tuple[Pause | None, timedelta]:
    """The last pause after the command, and how long its begin lies ahead."""
    async with transaction(pool) as db:
        await lock_pauses(db, longest)
        last = await last_pause(db, name)
        time = await db.fetchrow(_STARTED_AHEAD, name, isinstance(command, PauseQueue), LONGEST_LOOK_AHEAD)
        assert time is not None
        events = decide(name, last, command, time["at"])
        pause = await _record(db, name, last, events, actor) if events else last
        return pause, time["at"] - time["now"]


async def _record(
    db: Connection, name: str, last: Pause | None, events: list[QueueEvent], actor: Actor
) -> Pause | None:
    expected = 0 if last is None else last.version
    if await append(db, [Write(stream(name), expected, events, None, meta=actor.meta(), born=PERMANENT)]):
        raise Conflict(f"the row of the pause of {name} is not that of its stream: run `duebook rebuild`")
    for version, event in enumerate(events, expected + 1):
        last = queue_state.evolve(last, name, version, actor.name, event)
        await put_pause(db, last)
    return last
