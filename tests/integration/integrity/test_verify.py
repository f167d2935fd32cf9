"""`verify` on a database: no breach in a consistent log, and one for each kind of falsified row or event."""

import time
from datetime import timedelta
from typing import Any

import pytest

from duebook_common.domain.definition import Concurrency
from duebook_common.domain.mail import MailSent
from duebook_common.domain.run.commands import Succeed
from duebook_common.domain.run.state import Run
from duebook_common.integrity import verify_jobs
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verify import verify
from duebook_common.store import database
from duebook_common.store.database import Pool, acquire, connect
from duebook_common.store.mail_handling import MailResult, record_mails
from duebook_common.store.wakeups import postpone_jobs, postpone_runs
from duebook_scheduler.mending import WakeupMender
from support.bookkeeping import ACTOR, NOW, created, dispatched, do, started
from support.planted_faults import unguarded
from support.samples import HOUR, SECOND

LONG_AGO = timedelta(days=10_000)  # NOW lies in the future of some clocks and in the past of others


async def consistent_log(pool: Pool) -> Run:
    """A run that succeeded, and a mail about it."""
    run = await started(pool)
    await do(pool, run, Succeed(1, None, NOW))
    sent = MailSent(outcome="succeeded-3", recipient="a@example.com", message_id="<1@duebook>", at=NOW)
    assert await record_mails(pool, [MailResult(run.id, run.job_id, sent)], ACTOR)
    return run


async def breaches(pool: Pool) -> list[Breach]:
    return list((await verify(pool, LONG_AGO)).breaches)


async def test_a_consistent_log_has_no_breach(pool: Pool) -> None:
    await consistent_log(pool)
    report = await verify(pool, LONG_AGO)
    assert (report.jobs, report.events, report.breaches) == (1, 5, [])


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE jobs SET reason = 'x'", "the row of jobs differs from the log"),
        ("UPDATE jobs SET queue = 'other'", "the row of jobs differs from the log"),
        ("UPDATE runs SET attempt = 7", "the row of runs differs from the log"),
        ("DELETE FROM runs", "the row of runs differs from the log"),
        ("UPDATE mails SET tries = 7", "the rows of mails differ from the log"),
    ],
)
async def test_a_row_that_differs_from_the_log_breaks_invariant_5(pool: Pool, statement: str, says: str) -> None:
    await consistent_log(pool)
    await pool.execute(statement)
    (breach,) = await breaches(pool)
    assert (breach.invariant, breach.says) == (Invariant.READ_MODELS, says)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET wake_at = wake_at + interval '400 days'",
        "UPDATE jobs SET wake_at = greatest(wake_at, clock_timestamp()) + interval '2 min' WHERE status = 'active'",
        "UPDATE runs SET wake_at = wake_at + interval '400 days'",
        "UPDATE runs SET wake_at = greatest(wake_at, clock_timestamp()) + interval '2 days' WHERE status = 'running'",
        "UPDATE runs SET wake_at = clock_timestamp() WHERE status = 'succeeded'",
    ],
)
async def test_a_wake_up_that_nothing_explains_breaks_invariant_4_and_is_mended(pool: Pool, statement: str) -> None:
    await consistent_log(pool)
    await started(pool)
    await created(pool, recurrence="daily")
    await pool.execute(statement)
    found = await breaches(pool)
    assert {breach.invariant for breach in found} == {Invariant.NOTHING_STRANDS}
    assert await WakeupMender(pool).step() == len(found)
    assert await breaches(pool) == []
    assert await WakeupMender(pool).step() == 0


async def test_a_postponed_job_or_run_breaks_nothing(pool: Pool) -> None:
    run, job_id = await started(pool), await created(pool, recurrence="daily")
    async with acquire(pool) as db:
        now = await db.fetchval("SELECT clock_timestamp()")
        await postpone_jobs(db, [job_id], now + SECOND)
        await postpone_runs(db, [(run, now + HOUR)])
    assert await breaches(pool) == []
    assert await WakeupMender(pool).step() == 0


async def test_a_plan_that_differs_from_the_log_breaks_invariant_5(pool: Pool) -> None:
    await started(pool)
    await pool.execute("UPDATE runs SET planned_wake_at = planned_wake_at + interval '400 days'")
    (breach,) = await breaches(pool)
    assert breach.invariant is Invariant.READ_MODELS


async def test_the_loss_of_the_last_events_or_of_all_breaks_invariant_5(pool: Pool) -> None:
    run = await consistent_log(pool)
    await unguarded(pool, "DELETE FROM events WHERE type IN ('AttemptSucceeded', 'MailSent')")
    assert set(await breaches(pool)) == {
        Breach(Invariant.READ_MODELS, f"run-{run.id}", "the row of runs differs from the log"),
        Breach(Invariant.READ_MODELS, f"mail-{run.id}", "has a row, and no event"),
    }
    await unguarded(pool, "DELETE FROM events")
    assert {breach.stream for breach in await breaches(pool)} == {
        f"{kind}-{id_}" for kind, id_ in (("job", run.job_id), ("run", run.id), ("mail", run.id))
    }


async def test_a_missing_event_breaks_invariant_8(pool: Pool) -> None:
    run = await consistent_log(pool)
    await pool.execute("DROP TRIGGER append_only ON events")
    await pool.execute("DELETE FROM events WHERE type = 'AttemptStarted'")
    found = await breaches(pool)
    assert Breach(Invariant.APPEND_ONLY, f"run-{run.id}", "versions are not contiguous, or lie in two periods") in found
    assert {breach.invariant for breach in found} == {Invariant.FENCED, Invariant.READ_MODELS, Invariant.APPEND_ONLY}


async def test_an_active_job_with_an_overdue_occurrence_breaks_invariant_1(pool: Pool) -> None:
    job_id = await created(pool, scheduled_at=NOW - LONG_AGO)
    (breach,) = (await verify(pool)).breaches
    assert (breach.invariant, breach.stream) == (Invariant.ACCOUNTED_FOR, f"job-{job_id}")


async def test_more_runs_than_a_key_allows_break_invariant_2(pool: Pool) -> None:
    key = Concurrency("k", 1)
    for _ in range(2):
        run = await dispatched(pool, concurrency=key)
        await pool.execute("UPDATE runs SET status = 'dispatched' WHERE run_id = $1", run.id)
        for trigger in ("append_only", "only_erasure"):
            await pool.execute(f"DROP TRIGGER IF EXISTS {trigger} ON events")
        await pool.execute(
            "UPDATE events SET type = 'RunDispatched', data = data || '{\"dispatch\": 1}' WHERE type = 'RunBuffered'"
        )
    found = [breach for breach in await breaches(pool) if breach.invariant is Invariant.LIMITS]
    assert [breach.stream for breach in found] == [f"run-{run.id}"]
    assert "starts as number 2 under the key 'k', which allows 1" in found[0].says


async def test_checks_may_take_longer_than_a_service_may_be_idle(
    postgres_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history of one job may take a minute to check, and no statement is sent meanwhile."""
    await consistent_log(pool)
    monkeypatch.setitem(database._SETTINGS, "idle_in_transaction_session_timeout", "2s")
    check = verify_jobs.check_job

    def slow_check(*arguments: Any) -> Any:
        time.sleep(3)
        return [*check(*arguments)]

    monkeypatch.setattr(verify_jobs, "check_job", slow_check)
    async with connect(postgres_url, "verify") as impatient:
        assert (await verify(impatient, LONG_AGO)).breaches == []


async def test_a_batch_of_jobs_with_long_histories_is_short(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_jobs, "_BATCH_EVENTS", 3)
    for _ in range(4):
        await consistent_log(pool)
    batches: list[tuple[int, int]] = []
    report = await verify(pool, LONG_AGO, progress=lambda jobs, events: batches.append((jobs, events)))
    assert (report.jobs, report.breaches) == (4, [])
    assert batches == [(1, 5), (2, 10), (3, 15), (4, 20)]
