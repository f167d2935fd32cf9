"""Read models are a function of the log, the append comes first, and every row that needs a `wake_at` has one."""

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.commands import ChangeJob, DeleteJob, JobCommand, PauseJob, ResumeJob, TriggerRun
from duebook_common.domain.mail import MailFailed, MailSent
from duebook_common.domain.run.commands import (
    CancelRun,
    ConfirmCancel,
    DiscardRun,
    FailAttempt,
    RedriveRun,
    ReleaseAttempt,
    RunCommand,
    Succeed,
    WakeRun,
)
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Pool
from duebook_common.store.eventstore import Write, append
from duebook_common.store.job_handling import create_jobs, handle_job
from duebook_common.store.mail_handling import MailResult, record_mails
from duebook_common.store.rows import run_of
from duebook_common.store.run_handling import RunWork, handle_runs
from support.bookkeeping import (
    ACTOR,
    NOW,
    check_invariants,
    context,
    created,
    definition,
    dispatch,
    do,
    log,
    start,
    started,
)
from support.samples import DAY, MINUTE


async def record_some_mails(pool: Pool, run: Run) -> None:
    """A mail that failed and was then sent, and one that was given up."""
    about: dict[str, Any] = {"outcome": "succeeded-3", "message_id": "<1@duebook>", "at": NOW}
    for recipient, retry_at in (("a@example.com", NOW + MINUTE), ("b@example.com", None)):
        failed = MailFailed(recipient=recipient, error="450", tries=1, retry_at=retry_at, **about)
        await record_mails(pool, [MailResult(run.id, run.job_id, failed)], ACTOR)
    sent = MailSent(recipient="a@example.com", **about)
    assert await record_mails(pool, [MailResult(run.id, run.job_id, sent)], ACTOR)
    assert not await record_mails(pool, [MailResult(run.id, run.job_id, sent)], ACTOR)


def run_command(chance: random.Random, run: Run, now: datetime) -> RunCommand:
    """A random command: most fit the run, some are refused."""
    attempt = run.attempt - (chance.random() < 0.1)
    commands: list[RunCommand] = [
        start(run, now),
        start(run, now),
        Succeed(attempt, {"n": [1, None, "ü"]}, now),
        FailAttempt(attempt, "boom", now, chance.random(), retry=chance.random() < 0.8),
        FailAttempt(attempt, "later", now, 0, delay=MINUTE),
        ReleaseAttempt(attempt, now),
        ConfirmCancel(attempt, now),
        WakeRun(now + DAY, chance.random(), MINUTE, job_deleted=chance.random() < 0.1),
        CancelRun("enough", now),
        RedriveRun("again", 2, now, {"other": True}, own_payload=True),
        DiscardRun("no more", now),
    ]
    return chance.choice(commands)


def job_command(chance: random.Random, now: datetime) -> JobCommand:
    queue, priority = chance.choice(["default", "mail"]), chance.randint(0, 9)
    changed = definition(
        name=f"n{priority}",
        queue=queue,
        priority=priority,
        tags=(queue, "x"),
        recurrence="weekly",
        scheduled_at=now,
    )
    run_id, overlap = UUID(int=chance.getrandbits(128)), chance.choice(list(Overlap))
    commands: list[JobCommand] = [
        dispatch(now),
        dispatch(now),
        ChangeJob(changed, context(now), run_exists=False),
        TriggerRun(run_id, overlap, context(now), payload=[queue], own_payload=True),
        PauseJob("wait", context(now)),
        ResumeJob("on", now),
    ]
    return chance.choice(commands)


@pytest.mark.parametrize("seed", range(3))
async def test_every_row_is_the_fold_of_its_stream(pool: Pool, seed: int) -> None:
    chance, now = random.Random(seed), NOW
    # Fixed ids, because runs are drawn in the order of their ids: the same seed always makes the same commands.
    ids = [UUID(int=seed * 10 + n + 1) for n in range(4)]
    jobs = [
        await created(pool, job_id, recurrence="daily", max_retries=1, tags=("a",) * n) for n, job_id in enumerate(ids)
    ]
    await create_jobs(
        pool, {id_: job_decide.create(id_, definition(tags=("a", "b")), NOW) for id_ in (uuid4(), uuid4())}, ACTOR
    )
    for _ in range(60):
        now += timedelta(hours=chance.randint(1, 30))
        await handle_job(pool, chance.choice(jobs), job_command(chance, now), ACTOR)
        runs = await _some_runs(pool, chance)
        results = await handle_runs(pool, [RunWork(run.id, run_command(chance, run, now)) for run in runs], ACTOR)
        assert len(results) == len(runs)
    for run in await _some_runs(pool, chance):
        await record_some_mails(pool, run)
    await handle_job(pool, jobs[0], DeleteJob(now), ACTOR)
    await check_invariants(pool)
    types = {recorded.type for recorded in await log(pool)}
    assert len(types) >= 15, "too few types of events to prove anything"


async def _some_runs(pool: Pool, chance: random.Random) -> list[Run]:
    runs = [run_of(record) for record in await pool.fetch("SELECT * FROM runs ORDER BY run_id")]
    return chance.sample(runs, min(len(runs), 12))


NOT_ACTIVE = {"succeeded", "cancelled", "skipped", "discarded", "dead_lettered"}


@pytest.mark.parametrize("status", RunStatus)
async def test_no_active_run_lacks_a_wake_at(pool: Pool, status: RunStatus) -> None:
    run = await started(pool)
    statement = "UPDATE runs SET status = $1, wake_at = NULL WHERE run_id = $2"
    if status in NOT_ACTIVE:
        assert await pool.execute(statement, status, run.id) == "UPDATE 1"
    else:
        with pytest.raises(asyncpg.CheckViolationError, match="nothing_strands"):
            await pool.execute(statement, status, run.id)


@pytest.mark.parametrize("status", ["active", "paused", "finished", "deleted"])
async def test_no_active_job_lacks_a_wake_at(pool: Pool, status: str) -> None:
    job_id = await created(pool)
    statement = "UPDATE jobs SET status = $1, wake_at = NULL WHERE job_id = $2"
    if status != "active":
        assert await pool.execute(statement, status, job_id) == "UPDATE 1"
    else:
        with pytest.raises(asyncpg.CheckViolationError, match="nothing_strands"):
            await pool.execute(statement, status, job_id)


async def test_no_mail_to_retry_lacks_a_wake_at(pool: Pool) -> None:
    await record_some_mails(pool, await started(pool))
    with pytest.raises(asyncpg.CheckViolationError, match="nothing_strands"):
        await pool.execute("UPDATE mails SET status = 'retrying', wake_at = NULL")
    assert await pool.execute("UPDATE mails SET status = 'sent', wake_at = NULL") == "UPDATE 2"


# Fails if the transaction has an id before the append: a write or a row lock has assigned it.
_WATCH = """
CREATE FUNCTION refuse_late_append() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_current_xact_id_if_assigned() IS NOT NULL
        AND NOT EXISTS (SELECT FROM events WHERE xid = pg_current_xact_id_if_assigned())
    THEN RAISE EXCEPTION 'the append is not the first write'; END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER first_write BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_append()
"""


async def test_an_append_is_the_first_write_of_its_transaction(pool: Pool) -> None:
    await pool.execute(_WATCH)
    run = await started(pool)
    await do(pool, run, Succeed(1, None, NOW))
    await handle_job(pool, run.job_id, DeleteJob(NOW), ACTOR)
    await record_some_mails(pool, run)
    write = Write("x", 0, [job_events.JobPaused(reason=None, at=NOW)], UUID(int=1))
    for before in ("SELECT FROM runs FOR UPDATE", "INSERT INTO checkpoints VALUES ('x', '0', 0)"):
        async with pool.acquire() as db:
            await db.execute(f"BEGIN; {before}")
            with pytest.raises(asyncpg.RaiseError, match="not the first write"):
                await append(db, [write])
            await db.execute("ROLLBACK")


async def test_the_log_has_a_streams_events_in_the_order_of_their_versions(pool: Pool) -> None:
    run = await started(pool, max_retries=5)
    for _ in range(4):
        await do(pool, run, FailAttempt(run.attempt, "boom", NOW, 0))
        woken = (await do(pool, run, WakeRun(NOW + DAY, 0, MINUTE))).run
        assert woken is not None
        run = (await do(pool, woken, start(woken))).run or run
    versions = [recorded.version for recorded in await log(pool) if recorded.stream.startswith("run-")]
    assert versions == list(range(1, 15))
