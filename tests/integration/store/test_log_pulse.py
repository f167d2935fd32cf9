"""Subscribers at rest share one look at the end of the log, and each sees what is new for it."""

from datetime import timedelta
from uuid import UUID

from duebook_common.domain.job.events import JobPaused
from duebook_common.store.checkpoints import Checkpoint, move_checkpoint
from duebook_common.store.database import Pool, transaction
from duebook_common.store.eventstore import Write, append
from duebook_common.store.log_pulse import LogPulse
from support.bookkeeping import NOW, eventually


async def put(pool: Pool, stream: str) -> None:
    async with transaction(pool) as db:
        assert not await append(db, [Write(stream, 0, [JobPaused(reason=None, at=NOW)], UUID(int=1))])


async def read_all(pool: Pool, subscriber: str, seen: Checkpoint) -> Checkpoint:
    """Move the checkpoint of the subscriber to the end of the log."""
    async with transaction(pool) as db:
        record = await db.fetchrow("SELECT xid, position FROM events ORDER BY xid DESC, position DESC LIMIT 1")
        assert record is not None
        await move_checkpoint(db, subscriber, seen, record)
    return Checkpoint(record["xid"], record["position"])


async def test_each_subscriber_sees_what_is_new_for_it(pool: Pool) -> None:
    pulse, start = LogPulse(pool), Checkpoint(0, 0)
    assert not await pulse.has_new_events("a")
    await put(pool, "one")
    await eventually(lambda: pulse.has_new_events("a"))
    seen = await read_all(pool, "a", start)
    assert [await pulse.has_new_events(name) for name in "ab"] == [False, True]
    await read_all(pool, "b", start)
    assert [await pulse.has_new_events(name) for name in "ab"] == [False, False]
    await put(pool, "two")
    await eventually(lambda: pulse.has_new_events("a"))
    await read_all(pool, "a", seen)
    assert [await pulse.has_new_events(name) for name in "ab"] == [False, True]


async def test_a_reader_without_a_checkpoint_sees_that_the_log_has_grown(pool: Pool) -> None:
    pulse = LogPulse(pool)
    assert await pulse.has_grown("a", 60), "it has not looked yet"
    assert not await pulse.has_grown("a", 60)
    await put(pool, "one")
    await eventually(lambda: pulse.has_grown("a", 60))
    assert not await pulse.has_grown("a", 60)
    assert await pulse.has_grown("a", 0), "the last time is too long ago"


async def test_a_subscriber_rests_longer_while_the_log_does_not_grow(pool: Pool) -> None:
    pulse, short = LogPulse(pool, busy=0, idle=0.25), timedelta(milliseconds=100)
    assert pulse.pause(short) == timedelta(milliseconds=250)
    await put(pool, "one")
    await eventually(lambda: pulse.has_new_events("a"))
    assert pulse.pause(short) == short


async def test_a_subscriber_at_rest_asks_nothing_while_the_end_is_known(pool: Pool) -> None:
    """An event that comes meanwhile is seen at the next look at the end."""
    pulse = LogPulse(pool, busy=60, idle=60)
    assert not await pulse.has_new_events("a")
    await put(pool, "one")
    await eventually(lambda: LogPulse(pool).has_new_events("a"))
    assert not await pulse.has_new_events("a")
    assert await pulse.has_new_events("b"), "it was not at rest"
