"""The cheaper appends of events of attempts accept what the general one accepts, and nothing else."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.run.events import AttemptSucceeded
from duebook_common.domain.run.evolve import evolve
from duebook_common.store.append_statements import APPEND_NEXT, APPEND_NEXT_EACH, APPEND_ONE_EACH
from duebook_common.store.database import Pool
from duebook_common.store.eventstore import (
    Write,
    append_arguments,
    event_id,
    next_arguments,
    next_each,
    read,
)
from duebook_common.store.projections import append_and_update_runs
from duebook_common.store.rows import periods_of
from support.bookkeeping import NOW, check_invariants, started
from support.leaving import close

_ACCEPTED = "SELECT stream, born FROM accepted ORDER BY stream"


async def test_all_statements_accept_the_same_writes(pool: Pool) -> None:
    departing = await started(pool)
    await pool.execute("UPDATE periods SET status = 'leaving' WHERE born = $1", await close(pool))
    sound, stale, early, elsewhere, halted = [await started(pool) for _ in range(5)]
    await pool.execute(
        "INSERT INTO queue_pauses (name, since, version, paused_by) VALUES ('halted', $1, 1, 'ops')", NOW
    )
    runs = [departing, sound, stale, early, elsewhere, halted]
    async with pool.acquire() as db:
        born = await periods_of(db, [run.id for run in runs])
    wrong = {stale.id: -1, early.id: 1}
    writes = [
        Write(
            f"run-{run.id}", run.version + wrong.get(run.id, 0), [AttemptSucceeded(attempt=1, at=NOW)], run.job_id,
            queue="halted" if run is halted else None,
            born=born[run.id] - timedelta(days=400 * (run is elsewhere)),
        )
        for run in runs
    ]  # fmt: skip
    assert next_each(writes)
    for statement in (APPEND_NEXT_EACH, APPEND_ONE_EACH):
        accepted = await rolled_back(pool, f"{statement} {_ACCEPTED}", *append_arguments(writes))
        assert accepted == [(f"run-{sound.id}", born[sound.id])]
    alone = f"{APPEND_NEXT} SELECT stream FROM accepted"
    assert [await rolled_back(pool, alone, *next_arguments(write)) for write in writes] == [
        [(write.stream,)] if write is writes[1] else [] for write in writes
    ]


async def test_an_event_alone_is_recorded_as_one_of_many(pool: Pool) -> None:
    runs = [await started(pool) for _ in range(3)]
    success = AttemptSucceeded(attempt=1, at=NOW, result="done")
    async with pool.acquire() as db:
        born = await periods_of(db, [run.id for run in runs])
        writes = [
            Write(
                f"run-{run.id}", run.version, [success], run.job_id, UUID(int=1), b'{"actor": "x"}', born=born[run.id],
            )
            for run in runs
        ]  # fmt: skip
        after = [evolve(run, success) for run in runs]
        for part in (slice(1), slice(1, 3)):
            assert (await append_and_update_runs(db, writes[part], after[part])).refused == set()
        recorded = [(await read(db, write.stream))[-1] for write in writes]
    assert len({(each.version, each.type, each.event, each.born) for each in recorded}) == 1
    assert [each.id for each in recorded] == [event_id(UUID(int=1), w.stream, w.expected + 1) for w in writes]
    assert [each.meta for each in recorded] == [{"actor": "x"}] * 3
    await check_invariants(pool)


async def rolled_back(pool: Pool, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """What the statement returns; it leaves nothing behind."""
    async with pool.acquire() as db:
        transaction = db.transaction()
        await transaction.start()
        found = await db.fetch(statement, *arguments)
        await transaction.rollback()
    return [tuple(record) for record in found]


def test_a_new_stream_or_an_unknown_period_takes_the_general_statement() -> None:
    event = AttemptSucceeded(attempt=1, at=NOW)
    known = Write("run-1", 1, [event], None, born=NOW)
    assert next_each([known])
    others = Write("run-1", 0, [event], None, born=NOW), Write("run-1", 1, [event], None)
    for other in (*others, Write("run-1", 1, [], None, born=NOW), Write("run-1", 1, [event, event], None, born=NOW)):
        assert not next_each([known, other])
