"""A bulk operation ends with the key that asked for it."""

from datetime import timedelta
from uuid import uuid4

from duebook_common.domain.bulk.events import BulkAction, BulkFilter, BulkRequested
from duebook_common.domain.bulk.state import BulkStatus
from duebook_common.runtime.api_keys import new_key
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor, request_bulk
from duebook_common.store.bulk_rows import load_bulk
from duebook_common.store.database import Pool, acquire
from duebook_common.store.key_handling import KeyRequest, add_key, revoke_key
from support.bookkeeping import ACTOR, NOW, dispatched, log
from support.samples import DAY, MINUTE


async def test_an_operation_of_a_revoked_key_is_aborted_and_says_why(pool: Pool) -> None:
    await dispatched(pool)
    key = new_key()
    await add_key(pool, KeyRequest("ci", ["write"], timedelta(days=1)), key, ACTOR)
    event = BulkRequested(
        action=BulkAction.CANCEL, filter=BulkFilter(), reason="an outage", matched=1, rate=0.01, at=NOW + DAY
    )
    bulk = await request_bulk(pool, uuid4(), event, Actor(f"key:{key.id}"))
    assert bulk is not None
    await revoke_key(pool, key.id, "stolen", ACTOR)
    step = await BulkExecutor(pool, BulkLimits(MINUTE, 1_000), ACTOR).step(bulk.id, NOW + DAY)
    assert (step.dealt_with, step.goes_on_at) == (0, None)
    async with acquire(pool) as db:
        assert (await load_bulk(db, [bulk.id]))[bulk.id].bulk.status is BulkStatus.ABORTED
    [aborted] = [item for item in await log(pool) if item.type == "BulkAborted"]
    assert (aborted.data["reason"], aborted.meta["actor"]) == ("its key was revoked", ACTOR.name)
    assert [item.type for item in await log(pool) if item.type == "RunCancelled"] == []
