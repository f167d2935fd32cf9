"""A subscriber reads every event once and steps over none, in whatever order writers commit."""

import asyncio
import random
from contextlib import AsyncExitStack, suppress
from uuid import UUID, uuid4

from duebook_common.domain.job.events import JobPaused
from duebook_common.store.database import Pool, connect, transaction
from duebook_common.store.eventstore import RecordedEvent, Write, append, tail
from duebook_scheduler.checkpoints import Checkpoint, claim, move_checkpoint
from support.bookkeeping import NOW, by_stream, eventually, log

BEGINNING = Checkpoint(0, 0)
_NAIVE = "SELECT position, stream FROM events WHERE position > $1 ORDER BY position"


def write(stream: str, expected: int = 0, count: int = 1) -> Write:
    return Write(stream, expected, [JobPaused(reason=None, at=NOW)] * count, UUID(int=1))


async def put(pool: Pool, *writes: Write) -> None:
    async with transaction(pool) as db:
        assert not await append(db, writes)


async def read_on(pool: Pool, place: Checkpoint, limit: int = 1000) -> list[RecordedEvent]:
    async with pool.acquire() as db:
        return await tail(db, place.xid, place.position, limit)


async def next_streams(pool: Pool, place: Checkpoint, limit: int = 1000) -> list[str]:
    return [recorded.stream for recorded in await read_on(pool, place, limit)]


async def test_a_commit_that_overtakes_another_hides_no_event(pool: Pool) -> None:
    """Two explicit transactions commit in reverse order: by positions alone a reader loses the slower one."""
    async with AsyncExitStack() as stack:
        slow = await stack.enter_async_context(transaction(pool))
        await append(slow, [write("slow")])
        await put(pool, write("fast"))
        naive = await pool.fetch(_NAIVE, 0)
        assert [record["stream"] for record in naive] == ["fast"]
        assert await read_on(pool, BEGINNING) == []
    assert await pool.fetch(_NAIVE, naive[-1]["position"]) == []  # the slow one is lost to the naive reader

    async def both() -> bool:
        return await next_streams(pool, BEGINNING) == ["slow", "fast"]

    await eventually(both)


async def test_sixteen_writers_are_read_whole_once_and_in_order(pool: Pool) -> None:
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
    read, naive = await _read_all(pool, asyncio.gather(*writers))
    told = await log(pool)
    assert [recorded.id for recorded in read] == [recorded.id for recorded in told]
    for events in by_stream(read).values():
        assert [recorded.version for recorded in events] == list(range(1, len(events) + 1))
    assert len(naive) < len(told), "no commit overtook another, so this run proved nothing"


async def _read_all(pool: Pool, writers: "asyncio.Future[list[None]]") -> tuple[list[RecordedEvent], list[int]]:
    """All that a reader gets who starts with the writers and ends after them; and what a naive reader gets."""
    read, place, naive = list[RecordedEvent](), BEGINNING, [0]
    async with asyncio.timeout(60):
        while not writers.done() or len(read) < await pool.fetchval("SELECT count(*) FROM events"):
            batch = await read_on(pool, place, 7)
            naive += [record["position"] for record in await pool.fetch(_NAIVE, naive[-1])]
            if batch:
                read, place = read + batch, Checkpoint(batch[-1].xid, batch[-1].position)
    await writers
    return read, naive[1:]


async def test_a_batch_goes_on_in_the_middle_of_a_transaction(pool: Pool) -> None:
    await put(pool, write("a", 0, 3), write("b", 0, 2))

    async def all_there() -> bool:
        return len(await read_on(pool, BEGINNING)) == 5

    await eventually(all_there)
    first = await read_on(pool, BEGINNING, 2)
    rest = await next_streams(pool, Checkpoint(first[-1].xid, first[-1].position))
    assert [*(recorded.stream for recorded in first), *rest] == ["a", "a", "a", "b", "b"]


async def test_a_place_is_more_than_a_position(pool: Pool) -> None:
    """The older transaction may have drawn the later position; read one by one, neither event is stepped over."""
    async with transaction(pool) as older:
        await older.execute("SELECT pg_current_xact_id()")
        await put(pool, write("younger"))
        await append(older, [write("older")])

    async def both() -> bool:
        return len(await read_on(pool, BEGINNING)) == 2

    await eventually(both)
    (first,) = await read_on(pool, BEGINNING, 1)
    (second,) = await read_on(pool, Checkpoint(first.xid, first.position), 1)
    assert (first.stream, second.stream) == ("older", "younger")
    assert first.position > second.position
    assert await read_on(pool, Checkpoint(second.xid, second.position)) == []


async def test_one_at_a_time_has_the_turn(pool: Pool) -> None:
    async with transaction(pool) as one:
        assert await claim(one, "reader") == BEGINNING
        async with transaction(pool) as other:
            assert await claim(other, "reader") is None
            assert await claim(other, "another reader") == BEGINNING


async def test_a_turn_ends_with_its_transaction(pool: Pool) -> None:
    """Not with its connection, which other work goes on to use."""
    async with pool.acquire() as same:
        async with same.transaction():
            await claim(same, "reader")
        async with transaction(pool) as other:
            assert await claim(other, "reader") == BEGINNING


async def test_a_turn_hides_no_event_from_other_readers(pool: Pool) -> None:
    """Were the claim a row lock, it would hold the horizon for as long as the reader publishes."""
    async with transaction(pool) as holder:
        await claim(holder, "reader")
        assert await holder.fetchval("SELECT pg_current_xact_id_if_assigned()") is None
        await put(pool, write("a"))

        async def visible() -> bool:
            return [recorded.stream for recorded in await tail(holder, 0, 0, 10)] == ["a"]

        await eventually(visible)


async def test_a_checkpoint_is_where_the_next_turn_begins(pool: Pool) -> None:
    await put(pool, write("a", 0, 2))
    told = [{"xid": recorded.xid, "position": recorded.position} for recorded in await log(pool)]
    for record, before in ((told[0], BEGINNING), (told[1], Checkpoint(**told[0]))):
        async with transaction(pool) as db:
            assert await claim(db, "reader") == before
            await move_checkpoint(db, "reader", before, record)
    async with transaction(pool) as db:
        assert await claim(db, "reader") == Checkpoint(**told[1])
        assert await claim(db, "other") == BEGINNING


async def test_a_checkpoint_moves_only_from_where_it_was_seen(pool: Pool) -> None:
    """A reader that lost its turn, by a connection that died and came back late, moves nothing."""
    for seen, to, stands in (
        (BEGINNING, Checkpoint(7, 70), Checkpoint(7, 70)),
        (BEGINNING, Checkpoint(5, 50), Checkpoint(7, 70)),
        (Checkpoint(7, 69), Checkpoint(8, 80), Checkpoint(7, 70)),
        (Checkpoint(7, 70), Checkpoint(9, 90), Checkpoint(9, 90)),
    ):
        async with transaction(pool) as db:
            await move_checkpoint(db, "reader", seen, {"xid": to.xid, "position": to.position})
        async with transaction(pool) as db:
            assert await claim(db, "reader") == stands


async def test_a_reader_that_fails_gives_up_its_turn_and_keeps_its_place(pool: Pool) -> None:
    with suppress(ZeroDivisionError):
        async with transaction(pool) as db:
            await claim(db, "reader")
            await move_checkpoint(db, "reader", BEGINNING, {"xid": 1, "position": 1})
            raise ZeroDivisionError
    async with transaction(pool) as db:
        assert await claim(db, "reader") == BEGINNING


async def test_a_reader_whose_process_died_gives_up_its_turn(pool: Pool, postgres_url: str) -> None:
    async with AsyncExitStack() as stack:
        doomed = await stack.enter_async_context(connect(postgres_url, str(uuid4()), size=1))
        db = await doomed.acquire()
        await db.execute("BEGIN")
        assert await claim(db, "reader") == BEGINNING
        doomed.terminate()

        async def free() -> bool:
            async with transaction(pool) as own:
                return await claim(own, "reader") is not None

        await eventually(free)
