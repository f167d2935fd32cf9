"""Events that a test appends by itself, their positions, and a feed that reads them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from duebook_api.http import positions
from duebook_api.state.feed import Feed
from duebook_common.domain.job.events import JobPaused
from duebook_common.store.database import Pool, transaction
from duebook_common.store.eventstore import Write, append
from support.bookkeeping import NOW, log


def pause_events(stream: str, count: int = 1) -> Write:
    """An append of `count` events to a new stream."""
    return Write(stream, 0, [JobPaused(reason=None, at=NOW)] * count, UUID(int=1))


async def append_all(pool: Pool, *writes: Write) -> None:
    async with transaction(pool) as db:
        assert not await append(db, writes)


async def positions_in_order(pool: Pool) -> list[str]:
    """The positions of all events, in the order of the feed."""
    return [positions.text_of(event) for event in sorted(await log(pool), key=positions.position_of)]


@asynccontextmanager
async def stepped(feed: Feed) -> AsyncIterator[None]:
    """Steps the feed in a loop, as the service does."""

    async def step_forever() -> None:
        while True:
            if not await feed.step():
                await asyncio.sleep(0.01)

    stepping = asyncio.create_task(step_forever())
    try:
        yield
    finally:
        stepping.cancel()
