"""The log checks versions, stores a write whole or not at all, keeps its order, and refuses changes."""

import asyncio
import random
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from duebook_common.domain.job.events import JobPaused
from duebook_common.store.codec import Event
from duebook_common.store.database import Pool, transaction
from duebook_common.store.eventstore import Write, append, event_id, has_recorded, read
from support.bookkeeping import NOW, log, versions_of, waiting

JOB = UUID(int=1)


def facts(count: int, reason: str = "x") -> list[Event]:
    return [JobPaused(reason=reason, at=NOW) for _ in range(count)]


def write(stream: str, expected: int, count: int = 1, command: UUID | None = None) -> Write:
    return Write(stream, expected, facts(count), JOB, command or uuid4())


async def put(pool: Pool, *writes: Write) -> set[str]:
    """Append in a transaction of its own; returns the streams that got no events."""
    async with transaction(pool) as db:
        return await append(db, writes)


async def versions(pool: Pool, stream: str) -> list[int]:
    return [recorded.version for recorded in await read(pool, stream)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("expected", "lost"), [(0, True), (1, True), (2, False), (3, True)])
async def test_a_write_is_accepted_if_it_expects_the_streams_version(pool: Pool, expected: int, lost: bool) -> None:
    await put(pool, write("a", 0, 2))
    assert await put(pool, write("a", expected)) == ({"a"} if lost else set())
    assert await versions(pool, "a") == ([1, 2] if lost else [1, 2, 3])


async def test_a_stream_without_events_has_version_zero(pool: Pool) -> None:
    assert await put(pool, write("a", 1)) == {"a"}
    assert await log(pool) == []


async def test_each_stream_of_a_batch_is_accepted_or_refused_by_itself(pool: Pool) -> None:
    await put(pool, *(write(name, 0, 2) for name in "abcd"))
    batch = [write("d", 2, 2), write("c", 1, 3), write("n", 0, 3), write("a", 2), write("b", 0, 2), write("m", 4)]
    assert await put(pool, *batch) == {"b", "c", "m"}
    found = {name: await versions(pool, name) for name in "abcdmn"}
    assert found == {"a": [1, 2, 3], "b": [1, 2], "c": [1, 2], "d": [1, 2, 3, 4], "m": [], "n": [1, 2, 3]}
    assert await versions_of(pool, "abcdmn") == {"a": 3, "b": 2, "c": 2, "d": 4, "n": 3}


async def test_a_write_without_events_checks_the_version_and_changes_nothing(pool: Pool) -> None:
    await put(pool, write("a", 0), write("b", 0))
    assert await put(pool, write("a", 1, 0), write("b", 2, 0), write("n", 1, 0)) == {"b", "n"}
    assert len(await log(pool)) == 2


async def test_the_slower_of_two_writers_waits_for_the_commit_and_is_refused(pool: Pool) -> None:
    await put(pool, write("a", 0))
    async with transaction(pool) as db:
        await append(db, [write("a", 1), write("n", 0)])
        others = [asyncio.create_task(put(pool, write(name, expected))) for name, expected in (("a", 1), ("n", 0))]
        await waiting(pool, others[0], count=2)
    assert [await other for other in others] == [{"a"}, {"n"}]


async def test_a_rollback_lets_the_waiting_writer_append(pool: Pool) -> None:
    with suppress(ZeroDivisionError):
        async with transaction(pool) as db:
            await append(db, [write("n", 0)])
            other = asyncio.create_task(put(pool, write("n", 0)))
            await waiting(pool, other)
            raise ZeroDivisionError
    assert await other == set()


async def test_the_events_of_a_write_are_stored_in_order_all_or_none(pool: Pool) -> None:
    unstorable: list[Event] = [*facts(1), JobPaused(reason="\0", at=NOW)]
    with pytest.raises(asyncpg.UntranslatableCharacterError):
        await put(pool, write("a", 0, 3), Write("b", 0, unstorable, JOB))
    assert await log(pool) == []
    await put(pool, Write("a", 0, [*facts(1, "first"), *facts(1, "second"), *facts(1, "third")], JOB))
    assert [recorded.data["reason"] for recorded in await log(pool)] == ["first", "second", "third"]


async def test_an_event_is_read_as_it_was_written(pool: Pool) -> None:
    event = JobPaused(reason="naïve 😀 \" \\ 'quoted'", at=NOW + timedelta(microseconds=1))
    await put(pool, Write("a", 0, [event], JOB, meta=b'{"actor": "me"}'))
    (recorded,) = await log(pool)
    assert (recorded.event, recorded.meta, recorded.job_id, recorded.version) == (event, {"actor": "me"}, JOB, 1)


async def test_ids_of_events_follow_from_the_command(pool: Pool) -> None:
    command = uuid4()
    await put(pool, write("a", 0, 2, command), write("b", 0, 1, command))
    events = await log(pool)
    assert [event.id for event in events] == [event_id(command, e.stream, e.version) for e in events]
    assert len({event.id for event in events}) == 3
    async with transaction(pool) as db:
        assert await has_recorded(db, "a", command)
        assert not await has_recorded(db, "a", uuid4())
        assert not await has_recorded(db, "c", command)


@pytest.mark.parametrize("expected", [0, 1], ids=["new streams", "streams that exist"])
async def test_batches_in_opposite_orders_never_deadlock(pool: Pool, expected: int) -> None:
    """Both wait between their first and their last stream, so unsorted locks would deadlock."""
    if expected:
        await put(pool, *(write(name, 0) for name in "amz"))
    with suppress(ZeroDivisionError):
        async with transaction(pool) as db:
            await append(db, [write("m", expected)])
            one = asyncio.create_task(put(pool, *(write(name, expected) for name in "amz")))
            await waiting(pool, one, count=1)
            other = asyncio.create_task(put(pool, *(write(name, expected) for name in "zma")))
            await waiting(pool, other, count=2)
            raise ZeroDivisionError
    assert sorted(map(len, await asyncio.gather(one, other))) == [0, 3]


async def test_many_overlapping_batches_lose_and_double_no_event(pool: Pool) -> None:
    chance = random.Random(7)
    streams = [f"s{n}" for n in range(12)]
    await put(pool, *(write(name, 0) for name in streams))

    async def writer(own: random.Random) -> int:
        accepted = 0
        for _ in range(8):
            wanted = own.sample(streams, 6)
            found = await versions_of(pool, wanted)
            accepted += len(wanted) - len(await put(pool, *(write(name, found[name]) for name in wanted)))
        return accepted

    accepted = await asyncio.gather(*(writer(random.Random(chance.random())) for _ in range(12)))
    assert len(await log(pool)) == len(streams) + sum(accepted)
    for name in streams:
        found = await versions(pool, name)
        assert found == list(range(1, len(found) + 1))


async def test_recorded_at_never_runs_backwards_in_a_stream(pool: Pool) -> None:
    await put(pool, write("a", 0))
    later: datetime = await pool.fetchval("SELECT now() + interval '1 h'")
    await pool.execute("DROP TRIGGER append_only ON events")
    await pool.execute("UPDATE events SET recorded_at = $1", later)
    await put(pool, write("a", 1, 2))
    assert [recorded.recorded_at for recorded in await log(pool)] == [later] * 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = '{}'",
        "UPDATE events SET type = 'x' WHERE stream = 'none'",
        "DELETE FROM events",
        "DELETE FROM events WHERE stream = 'none'",
        "TRUNCATE events",
    ],
)
async def test_the_log_refuses_change_even_to_its_owner(pool: Pool, statement: str) -> None:
    await put(pool, write("a", 0))
    before = await log(pool)
    owner = "SELECT tableowner = current_user FROM pg_tables WHERE tablename = 'events'"
    assert await pool.fetchval(owner)
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await pool.execute(statement)
    assert await log(pool) == before
