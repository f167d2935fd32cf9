"""Events that a test appends by itself, and their positions."""

from uuid import UUID

from duebook_api.http import positions
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
