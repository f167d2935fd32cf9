"""The cheaper append of events of attempts accepts what the general one accepts, and nothing else."""

from datetime import timedelta

from duebook_common.domain.run.events import AttemptSucceeded
from duebook_common.store.append_statements import APPEND_NEXT_EACH, APPEND_ONE_EACH
from duebook_common.store.database import Pool
from duebook_common.store.eventstore import Write, append_arguments, next_each
from duebook_common.store.rows import periods_of
from support.bookkeeping import NOW, started
from support.leaving import close

_ACCEPTED = "SELECT stream, born FROM accepted ORDER BY stream"


async def test_both_statements_accept_the_same_writes(pool: Pool) -> None:
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
    accepted = []
    for statement in (APPEND_NEXT_EACH, APPEND_ONE_EACH):
        async with pool.acquire() as db:
            transaction = db.transaction()
            await transaction.start()
            accepted.append(await db.fetch(f"{statement} {_ACCEPTED}", *append_arguments(writes)))
            await transaction.rollback()
    assert accepted[0] == accepted[1]
    assert [record["stream"] for record in accepted[0]] == [f"run-{sound.id}"]


def test_a_new_stream_or_an_unknown_period_takes_the_general_statement() -> None:
    event = AttemptSucceeded(attempt=1, at=NOW)
    known = Write("run-1", 1, [event], None, born=NOW)
    assert next_each([known])
    others = Write("run-1", 0, [event], None, born=NOW), Write("run-1", 1, [event], None)
    for other in (*others, Write("run-1", 1, [], None, born=NOW), Write("run-1", 1, [event, event], None, born=NOW)):
        assert not next_each([known, other])
