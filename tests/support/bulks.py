"""Bulk operations on a real database, executed batch by batch."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from duebook_common.domain.bulk.events import BulkAction, BulkFilter, BulkRequested
from duebook_common.domain.bulk.state import BulkOperation
from duebook_common.domain.run.commands import FailAttempt, WakeRun
from duebook_common.domain.run.state import Run
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor, request_bulk
from duebook_common.store.bulk_rows import BulkRow, load_bulk
from duebook_common.store.bulk_targets import count_targets
from duebook_common.store.database import Pool, acquire
from support.bookkeeping import ACTOR, NOW, dispatched, do, log, start
from support.samples import DAY, MINUTE

LATER, FAR = NOW + DAY, NOW + 36_500 * DAY


LIMITS = BulkLimits(MINUTE, 1_000)


def executor(pool: Pool) -> BulkExecutor:
    return BulkExecutor(pool, LIMITS, ACTOR)


async def request(pool: Pool, action: BulkAction, /, **fields: Any) -> BulkOperation:
    """An operation on all that exists, unless a filter is given."""
    own = {name: fields.pop(name) for name in ("rate", "limit") if name in fields}
    filter_ = BulkFilter(**fields)
    async with acquire(pool) as db:
        matched = await count_targets(db, action, filter_, LATER)
    event = BulkRequested(action=action, filter=filter_, reason="an outage", matched=matched, at=LATER, **own)
    bulk = await request_bulk(pool, uuid4(), event, ACTOR)
    assert bulk is not None
    return bulk


async def finish(pool: Pool, bulk: BulkOperation, at: datetime = LATER) -> BulkRow:
    """Execute all batches, without waiting for the rate."""
    while (step := await executor(pool).step(bulk.id, at)).goes_on_at is not None:
        at = max(at, step.goes_on_at)
    return await shown(pool, bulk)


async def shown(pool: Pool, bulk: BulkOperation) -> BulkRow:
    async with acquire(pool) as db:
        return (await load_bulk(db, [bulk.id]))[bulk.id]


async def dead(pool: Pool, **changes: Any) -> Run:
    run = await dispatched(pool, **changes)
    if run.concurrency is not None:
        run = (await do(pool, run, WakeRun(NOW, 0, MINUTE, free=True))).run or run
    await do(pool, run, start(run))
    decided = await do(pool, run, FailAttempt(1, "boom", NOW, 0, retry=False))
    assert decided.run is not None
    return decided.run


async def acts(pool: Pool, bulk: BulkOperation, *types: str) -> list[tuple[str, str]]:
    """The stream and the type of each event that names the operation."""
    recorded = [item for item in await log(pool) if item.meta.get("bulk") == str(bulk.id)]
    assert {item.meta["actor"] for item in recorded} <= {ACTOR.name}
    return [(item.stream, item.type) for item in recorded if not types or item.type in types]
