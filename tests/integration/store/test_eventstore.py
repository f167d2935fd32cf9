"""The log judges versions, keeps writes whole, never runs backwards, and refuses to be changed."""

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
from support.bookkeeping import NOW, heads_of, log, waiting

JOB = UUID(int=1)


def facts(count: int, reason: str = "x") -> list[Event]:
    return [JobPaused(reason=reason, at=NOW) for _ in range(count)]


def write(stream: str, expected: int, count: int = 1, command: UUID | None = None) -> Write:
    return Write(stream, expected, facts(count), JOB, command or uuid4())


async def put(pool: Pool, *writes: Write) -> set[str]:
    """Append in a transaction of its own; returns the streams that lost."""
    async with transaction(pool) as db:
        return await append(db, writes)


async def versions(pool: Pool, stream: str) -> list[int]:
    return [recorded.version for recorded in await read(pool, stream)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("expected", "lost"), [(0, True), (1, True), (2, False), (3, True)])
async def test_a_write_wins_by_naming_the_streams_version(pool: Pool, expected: int, lost: bool) -> None:
    await put(pool, write("a", 0, 2))
    assert await put(pool, write("a", expected)) == ({"a"} if lost else set())
    assert await versions(pool, "a") == ([1, 2] if lost else [1, 2, 3])


async def test_a_stream_that_is_not_there_has_no_version_but_zero(pool: Pool) -> None:
    assert await put(pool, write("a", 1)) == {"a"}
    assert await log(pool) == []


async def test_each_stream_of_a_batch_wins_or_loses_by_itself(pool: Pool) -> None:
    await put(pool, *(write(name, 0, 2) for name in "abcd"))
    batch = [write("d", 2, 2), write("c", 1, 3), write("n", 0, 3), write("a", 2), write("b", 0, 2), write("m", 4)]
    assert await put(pool, *batch) == {"b", "c", "m"}
    told = {name: await versions(pool, name) for name in "abcdmn"}
    assert told == {"a": [1, 2, 3], "b": [1, 2], "c": [1, 2], "d": [1, 2, 3, 4], "m": [], "n": [1, 2, 3]}
    assert await heads_of(pool, "abcdmn") == {"a": 3, "b": 2, "c": 2, "d": 4, "n": 3}


async def test_a_write_without_events_asks_for_the_version_and_changes_nothing(pool: Pool) -> None:
    await put(pool, write("a", 0), write("b", 0))
    before = await pool.fetch("SELECT * FROM heads ORDER BY stream")
    assert await put(pool, write("a", 1, 0), write("b", 2, 0), write("n", 1, 0)) == {"b", "n"}
    assert await pool.fetch("SELECT * FROM heads ORDER BY stream") == before
    assert len(await log(pool)) == 2


async def test_a_version_that_was_asked_for_holds_until_the_commit(pool: Pool) -> None:
    await put(pool, write("a", 0))
    async with transaction(pool) as db:
        assert not await append(db, [write("a", 1, 0)])
        other = asyncio.create_task(put(pool, write("a", 1)))
        await waiting(pool, other)
        assert not other.done()
    assert await other == set()


async def test_the_loser_of_a_race_waits_for_the_winners_commit_and_loses(pool: Pool) -> None:
    await put(pool, write("a", 0))
    async with transaction(pool) as db:
        await append(db, [write("a", 1), write("n", 0)])
        others = [asyncio.create_task(put(pool, write(name, expected))) for name, expected in (("a", 1), ("n", 0))]
        await waiting(pool, others[0], count=2)
    assert [await other for other in others] == [{"a"}, {"n"}]


async def test_the_winners_rollback_lets_the_other_win(pool: Pool) -> None:
    with suppress(ZeroDivisionError):
        async with transaction(pool) as db:
            await append(db, [write("n", 0)])
            other = asyncio.create_task(put(pool, write("n", 0)))
            await waiting(pool, other)
            raise ZeroDivisionError
    assert await other == set()


async def test_events_of_a_write_keep_their_order_and_are_all_there_or_none(pool: Pool) -> None:
    poison: list[Event] = [*facts(1), JobPaused(reason="\0", at=NOW)]
    with pytest.raises(asyncpg.UntranslatableCharacterError):
        await put(pool, write("a", 0, 3), Write("b", 0, poison, JOB))
    assert await log(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM heads") == 0
    await put(pool, Write("a", 0, [*facts(1, "first"), *facts(1, "second"), *facts(1, "third")], JOB))
    assert [recorded.data["reason"] for recorded in await log(pool)] == ["first", "second", "third"]


async def test_an_event_comes_back_as_it_went_in(pool: Pool) -> None:
    event = JobPaused(reason="naïve 😀 \" \\ 'quoted'", at=NOW + timedelta(microseconds=1))
    await put(pool, Write("a", 0, [event], JOB, meta=b'{"actor": "me"}'))
    (recorded,) = await log(pool)
    assert (recorded.event, recorded.meta, recorded.job_id, recorded.version) == (event, {"actor": "me"}, JOB, 1)


async def test_ids_of_events_follow_from_the_command(pool: Pool) -> None:
    command = uuid4()
    await put(pool, write("a", 0, 2, command), write("b", 0, 1, command))
    told = await log(pool)
    assert [recorded.id for recorded in told] == [event_id(command, r.stream, r.version) for r in told]
    assert len({recorded.id for recorded in told}) == 3
    async with transaction(pool) as db:
        assert await has_recorded(db, "a", command)
        assert not await has_recorded(db, "a", uuid4())
        assert not await has_recorded(db, "c", command)


@pytest.mark.parametrize("expected", [0, 1], ids=["new streams", "streams that exist"])
async def test_batches_in_opposite_orders_never_deadlock(pool: Pool, expected: int) -> None:
    """Both are caught between their first and their last stream, so that unsorted locks would cross."""
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


async def test_many_overlapping_batches_lose_no_event_and_double_none(pool: Pool) -> None:
    chance = random.Random(7)
    streams = [f"s{n}" for n in range(12)]
    await put(pool, *(write(name, 0) for name in streams))

    async def writer(own: random.Random) -> int:
        won = 0
        for _ in range(8):
            wanted = own.sample(streams, 6)
            heads = await heads_of(pool, wanted)
            won += len(wanted) - len(await put(pool, *(write(name, heads[name]) for name in wanted)))
        return won

    won = await asyncio.gather(*(writer(random.Random(chance.random())) for _ in range(12)))
    assert len(await log(pool)) == len(streams) + sum(won)
    for name in streams:
        told = await versions(pool, name)
        assert told == list(range(1, len(told) + 1))


async def test_recorded_at_never_runs_backwards_in_a_stream(pool: Pool) -> None:
    await put(pool, write("a", 0))
    later: datetime = await pool.fetchval("UPDATE heads SET recorded_at = now() + interval '1 h' RETURNING recorded_at")
    await put(pool, write("a", 1))
    assert [recorded.recorded_at >= later for recorded in await log(pool)] == [False, True]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET data = '{}'",
        "UPDATE events SET type = 'x' WHERE stream = 'nobody'",
        "DELETE FROM events",
        "DELETE FROM events WHERE stream = 'nobody'",
        "TRUNCATE events",
        "DELETE FROM heads",
        "TRUNCATE heads",
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
