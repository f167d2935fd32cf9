"""A pause of the keeper of the statistics: its lock is held, as another scheduler would hold it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from duebook_common.store.checkpoints import has_new_events, wait_for_claim
from duebook_common.store.statistics import SUBSCRIBER

_LONGEST = 300.0  # seconds for counting what has come meanwhile


@contextmanager
def keeper_paused(url: str) -> Iterator[None]:
    """No scheduler counts; in the end they have counted what came meanwhile."""
    with asyncio.Runner() as runner:
        pause = _paused(url)
        runner.run(pause.__aenter__())
        try:
            yield
        finally:
            runner.run(pause.__aexit__(None, None, None))


@asynccontextmanager
async def _paused(url: str) -> AsyncIterator[None]:
    db = await asyncpg.connect(url)
    try:
        async with db.transaction():  # without an id and a snapshot, so that it holds back no reader of the log
            await wait_for_claim(db, SUBSCRIBER)
            yield
        deadline = time.monotonic() + _LONGEST
        while await has_new_events(db, SUBSCRIBER):
            if time.monotonic() > deadline:
                raise TimeoutError("the statistics were not up to date in time")
            await asyncio.sleep(1)
    finally:
        await db.close()
