"""A subscriber reads every event once and misses none, in whatever order the writers commit."""

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from uuid import UUID, uuid4

from duebook_common.domain.job.events import JobPaused
from duebook_common.store.checkpoints import HAS_NEW_EVENTS, Checkpoint, claim, has_new_events, move_checkpoint
from duebook_common.store.database import Pool, connect, transaction
from duebook_common.store.eventstore import RecordedEvent, Write, append, tail
from duebook_common.store.log_progress import LAG
from support.bookkeeping import NOW, by_stream, eventually, log
from support.query_cost import query_cost

START = Checkpoint(0, 0)
_BY_POSITION = "SELECT position, stream FROM events WHERE position > $1 ORDER BY position"


def write(stream: str, expected: int = 0, count: int = 1) -> Write:
    return Write(stream, expected, [JobPaused(reason=None, at=NOW)] * count, UUID(int=1))


async def put(pool: Pool, *writes: Write) -> None:
    async with transaction(pool) as db:
        assert not await append(db, writes)


async def read_after(pool: Pool, checkpoint: Checkpoint, limit: int = 1000) -> list[RecordedEvent]:
    async with pool.acquire() as db:
        return (await tail(db, checkpoint.xid, checkpoint.position, limit)).events


async def streams_after(pool: Pool, checkpoint: Checkpoint, limit: int = 1000) -> list[str]:
    return [recorded.stream for recorded in await read_after(pool, checkpoint, limit)]


async def test_a_later_commit_of_an_earlier_position_is_not_missed(pool: Pool) -> None:
    """Two transactions commit in reverse order: a reader that goes by position alone misses the slower one."""
    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(transaction(pool))
        await append(slow, [write("slow")])
        await put(pool, write("fast"))
        by_position = await pool.fetch(_BY_POSITION, 0)
        assert [record["stream"] for record in by_position] == ["fast"]
        assert await read_after(pool, START) == []
    assert await pool.fetch(_BY_POSITION, by_position[-1]["position"]) == []  # this reader has missed the slow one

    async def both() -> bool:
        return await streams_after(pool, START) == ["slow", "fast"]

    await eventually(both)


async def test_events_are_new_until_the_checkpoint_is_moved_past_it(pool: Pool) -> None:
    async def new_events() -> bool:
        async with pool.acquire() as db:
            return await has_new_events(db, "reader")

    assert not await new_events()
    await put(pool, write("a"))
    await eventually(new_events)
    async with transaction(pool) as db:
        (record,) = await pool.fetch("SELECT xid, position FROM events")
        await move_checkpoint(db, "reader", START, record)
    assert not await new_events()
    await put(pool, write("b"))
    await eventually(new_events)
    await pool.execute("UPDATE checkpoints SET xid = '9000000000'")
    assert await new_events(), "ahead of the log, for `claim` to refuse"


async def test_a_subscriber_at_rest_does_not_read_the_log(pool: Pool) -> None:
    """It asks many times a second, and the log has millions of events."""
    await put(pool, write("a", 0, 5_000))
    async with transaction(pool) as db:
        record = await db.fetchrow("SELECT xid, position FROM events ORDER BY xid DESC, position DESC LIMIT 1")
        await move_checkpoint(db, "reader", START, record)
    await pool.execute("VACUUM ANALYZE events")
    for query in (HAS_NEW_EVENTS, LAG):
        cost = await query_cost(pool, query, "reader")
        assert cost.buffers < 30
        assert not cost.scans & {"events"}


async def test_the_events_of_sixteen_writers_are_read_once_and_in_order(pool: Pool) -> None:
    chance = random.Random(11)

    async def writer(name: str, own: random.Random) -> None:
        version = 0
        for _ in range(12):
            count = own.randint(1, 3)
            async with transaction(pool) as db:
                await append(db, [write(name, version, count)])
                await asyncio.sleep(own.random() * 0.01)
            version += count

    writers = [asyncio.create_task(writer(f"s{n}", random.Random(chance.random()))) for n in range(16)]
    read, by_position = await _read_all(pool, asyncio.gather(*writers))
    recorded_events = await log(pool)
    assert [recorded.id for recorded in read] == [recorded.id for recorded in recorded_events]
    for events in by_stream(read).values():
        assert [recorded.version for recorded in events] == list(range(1, len(events) + 1))
    assert len(by_position) < len(recorded_events), "no commit overtook another, so this run proved nothing"


async def _read_all(pool: Pool, writers: "asyncio.Future[list[None]]") -> tuple[list[RecordedEvent], list[int]]:
    """The events that a reader sees from before the first write until after the last; and those by position alone."""
    read, checkpoint, by_position = list[RecordedEvent](), START, [0]
    async with asyncio.timeout(60):
        while not writers.done() or len(read) < await pool.fetchval("SELECT count(*) FROM events"):
            batch = await read_after(pool, checkpoint, 7)
            by_position += [record["position"] for record in await pool.fetch(_BY_POSITION, by_position[-1])]
            if batch:
                read, checkpoint = read + batch, Checkpoint(batch[-1].xid, batch[-1].position)
    await writers
    return read, by_position[1:]


async def test_a_batch_may_end_within_a_transaction(pool: Pool) -> None:
    await put(pool, write("a", 0, 3), write("b", 0, 2))

    async def all_there() -> bool:
        return len(await read_after(pool, START)) == 5

    await eventually(all_there)
    first = await read_after(pool, START, 2)
    rest = await streams_after(pool, Checkpoint(first[-1].xid, first[-1].position))
    assert [*(recorded.stream for recorded in first), *rest] == ["a", "a", "a", "b", "b"]


async def test_a_checkpoint_needs_the_transaction_id_too(pool: Pool) -> None:
    """An older transaction may have the later position; read one by one, neither event is missed."""
    async with transaction(pool) as older:
        await older.execute("SELECT pg_current_xact_id()")
        await put(pool, write("younger"))
        await append(older, [write("older")])

    async def both() -> bool:
        return len(await read_after(pool, START)) == 2

    await eventually(both)
    (first,) = await read_after(pool, START, 1)
    (second,) = await read_after(pool, Checkpoint(first.xid, first.position), 1)
    assert (first.stream, second.stream) == ("older", "younger")
    assert first.position > second.position
    assert await read_after(pool, Checkpoint(second.xid, second.position)) == []


async def test_one_process_at_a_time_has_the_lock(pool: Pool) -> None:
    async with transaction(pool) as one:
        assert await claim(one, "reader") == START
        async with transaction(pool) as other:
            assert await claim(other, "reader") is None
            assert await claim(other, "another reader") == START


async def test_the_lock_ends_with_its_transaction(pool: Pool) -> None:
    """And not with the connection, which is used on."""
    async with pool.acquire() as same:
        async with same.transaction():
            await claim(same, "reader")
        async with transaction(pool) as other:
            assert await claim(other, "reader") == START


async def test_the_lock_hides_no_event_from_other_readers(pool: Pool) -> None:
    """A row lock would take a transaction id and hold back the horizon while the relay publishes."""
    async with transaction(pool) as holder:
        await claim(holder, "reader")
        assert await holder.fetchval("SELECT pg_current_xact_id_if_assigned()") is None
        await put(pool, write("a"))

        async def visible() -> bool:
            return [recorded.stream for recorded in (await tail(holder, 0, 0, 10)).events] == ["a"]

        await eventually(visible)


async def test_the_next_holder_of_the_lock_starts_at_the_checkpoint(pool: Pool) -> None:
    await put(pool, write("a", 0, 2))
    positions = [{"xid": recorded.xid, "position": recorded.position} for recorded in await log(pool)]
    for record, before in ((positions[0], START), (positions[1], Checkpoint(**positions[0]))):
        async with transaction(pool) as db:
            assert await claim(db, "reader") == before
            await move_checkpoint(db, "reader", before, record)
    async with transaction(pool) as db:
        assert await claim(db, "reader") == Checkpoint(**positions[1])
        assert await claim(db, "other") == START


async def test_a_checkpoint_moves_only_from_its_known_position(pool: Pool) -> None:
    """A process that lost the lock with its connection cannot move the checkpoint later."""
    for seen, to, expected in (
        (START, Checkpoint(7, 70), Checkpoint(7, 70)),
        (START, Checkpoint(5, 50), Checkpoint(7, 70)),
        (Checkpoint(7, 69), Checkpoint(8, 80), Checkpoint(7, 70)),
        (Checkpoint(7, 70), Checkpoint(9, 90), Checkpoint(9, 90)),
    ):
        async with transaction(pool) as db:
            await move_checkpoint(db, "reader", seen, {"xid": to.xid, "position": to.position})
        async with transaction(pool) as db:
            assert await claim(db, "reader") == expected


async def test_a_failed_reader_releases_the_lock_and_keeps_its_checkpoint(pool: Pool) -> None:
    with suppress(ZeroDivisionError):
        async with transaction(pool) as db:
            await claim(db, "reader")
            await move_checkpoint(db, "reader", START, {"xid": 1, "position": 1})
            raise ZeroDivisionError
    async with transaction(pool) as db:
        assert await claim(db, "reader") == START


async def test_a_dead_process_releases_the_lock(pool: Pool, postgres_url: str) -> None:
    async with AsyncExitStack() as stack:
        dying = await stack.enter_async_context(connect(postgres_url, str(uuid4()), size=1))
        db = await dying.acquire()
        await db.execute("BEGIN")
        assert await claim(db, "reader") == START
        dying.terminate()

        async def free() -> bool:
            async with transaction(pool) as own:
                return await claim(own, "reader") is not None

        await eventually(free)
