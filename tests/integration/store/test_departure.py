"""A period leaves whole: what is still open moves on, and everything else has a line and no row."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from duebook_common.domain.job.commands import PauseJob
from duebook_common.domain.mail import MailFailed, MailSent
from duebook_common.domain.run.commands import DiscardRun, FailAttempt, RedriveRun, Succeed
from duebook_common.domain.run.state import Run
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.runtime.pacing import Pace
from duebook_common.store import day_lines, departure
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Pool
from duebook_common.store.departure import drop, move_open, seal, settle, unseal
from duebook_common.store.job_handling import handle_job
from duebook_common.store.mail_handling import MailResult, record_mails
from support.bookkeeping import ACTOR, NOW, context, created, dispatch, do, start, started, trigger
from support.leaving import all_periods, archive, close, leave

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


async def test_what_is_open_moves_and_the_rest_has_lines(pool: Pool) -> None:
    pending, ended, dead = await created(pool, scheduled_at=NOW + DAY), await succeeded(pool), await dead_letter(pool)
    born = await close(pool)
    await leave(pool, born)
    [left, opened] = await all_periods(pool)
    assert (left.status, opened.status) == ("archived", "open")
    assert await births(pool) == {f"job-{pending}", f"job-{dead.job_id}", f"run-{dead.id}"}
    assert await pool.fetchval("SELECT run_id FROM ledger_lines") == ended.id
    assert await pool.fetchval("SELECT job_id FROM archived_jobs") == ended.job_id
    assert await pool.fetchval("SELECT to_regclass($1)", f"events_{born:%Y%m%d%H%M}") is None
    await do(pool, dead, RedriveRun("again", 3, NOW))
    await handle_job(pool, pending, PauseJob("a test", context()), ACTOR)
    await sound(pool)


async def test_what_has_moved_leaves_with_the_next_period_once_it_has_ended(pool: Pool) -> None:
    dead = await dead_letter(pool)
    await leave(pool, await close(pool))
    await do(pool, dead, DiscardRun("obsolete", NOW))
    await leave(pool, await close(pool))
    assert await births(pool) == set()
    await sound(pool)


async def test_a_job_with_a_run_of_a_later_period_moves(pool: Pool) -> None:
    job_id = await created(pool)
    born = await close(pool)
    result = await handle_job(pool, job_id, dispatch(), ACTOR)
    assert result is not None
    run = result.runs[0]
    await do(pool, run, start(run))
    await do(pool, run, Succeed(1, None, NOW))
    await leave(pool, born)
    assert await births(pool) == {f"job-{job_id}", f"run-{run.id}"}
    await sound(pool)


async def test_nothing_is_appended_to_a_sealed_period(pool: Pool) -> None:
    run = await succeeded(pool)
    born = await close(pool)
    await seal(pool, born)
    with pytest.raises(Conflict):
        await handle_job(pool, run.job_id, trigger(), ACTOR)
    await unseal(pool, born)
    assert await handle_job(pool, run.job_id, trigger(), ACTOR) is not None
    await sound(pool)


@pytest.mark.parametrize("steps", range(5))
async def test_a_period_that_stopped_while_it_left_goes_on(pool: Pool, steps: int) -> None:
    dead, _ = await dead_letter(pool), [await succeeded(pool) for _ in range(3)]
    born = await close(pool)
    for step in (move_open, seal, archive, lambda *_: settle(pool, born, 1), drop)[:steps]:
        await step(pool, born)
        await sound(pool)
    await leave(pool, born)
    assert await births(pool) == {f"job-{dead.job_id}", f"run-{dead.id}"}
    assert await pool.fetchval("SELECT count(*) FROM ledger_lines") == 3
    await sound(pool)


async def test_writers_go_on_while_a_period_leaves_and_is_killed(pool: Pool) -> None:
    """Each redrive and failure of a dead letter meets a move sooner or later: it is in one period, whole."""
    runs = [await dead_letter(pool) for _ in range(4)]
    for _ in range(3):
        await succeeded(pool)
    writers = asyncio.gather(*(redriven_again_and_again(pool, run, 12) for run in runs))
    for _ in range(4):
        await leave_with_kills(pool, await close(pool))
    await writers
    assert await pool.fetchval("SELECT count(*) FROM ledger_lines") == 3
    await sound(pool)


async def test_a_mail_without_a_run_leaves_once_it_is_sent(pool: Pool) -> None:
    """As those about missed occurrences."""
    job_id = await created(pool, recurrence="daily", scheduled_at=NOW + DAY)
    sent, failed = uuid4(), uuid4()
    about: dict[str, Any] = {"outcome": "missed", "recipient": "a@example.com", "at": NOW}
    again = MailFailed(**about, tries=1, retry_at=NOW)
    results = [MailResult(sent, job_id, MailSent(**about)), MailResult(failed, job_id, again)]
    await record_mails(pool, results, ACTOR)
    born = await close(pool)
    await move_open(pool, born)
    await seal(pool, born)
    assert await settle(pool, born, await archive(pool, born)) == 0
    await sound(pool)
    await drop(pool, born)
    assert [row["run_id"] for row in await pool.fetch("SELECT run_id FROM mails")] == [failed]
    await sound(pool)


async def leave_with_kills(pool: Pool, born: datetime) -> None:
    """Each kill comes a bit later: to leave may take seconds on a full machine."""
    tries, left = 0, False
    while not left:
        tries += 1
        with suppress(TimeoutError, asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            async with asyncio.timeout(random.uniform(0.001, 0.3) * tries):
                await leave(pool, born)
                left = True


async def redriven_again_and_again(pool: Pool, run: Run, times: int) -> None:
    for _ in range(times):
        result = await do(pool, run, RedriveRun("again", 1, NOW))
        assert result.run is not None
        attempt = result.run.attempt + 1
        started_ = await do(pool, result.run, start(result.run))
        assert started_.run is not None
        await do(pool, run, FailAttempt(attempt, "boom", NOW, 0.5, retry=False))


async def succeeded(pool: Pool) -> Run:
    run = await started(pool)
    result = await do(pool, run, Succeed(1, None, NOW))
    assert result.run is not None
    return result.run


async def dead_letter(pool: Pool) -> Run:
    run = await started(pool)
    result = await do(pool, run, FailAttempt(1, "boom", NOW, 0.5, retry=False))
    assert result.run is not None
    return result.run


async def births(pool: Pool) -> set[str]:
    """The streams of jobs and runs; all have the period that is open."""
    [opened] = [period.born for period in await all_periods(pool) if period.status == "open"]
    rows = await pool.fetch("SELECT DISTINCT stream, born FROM events WHERE stream ~ '^(job|run)-'")
    assert {row["born"] for row in rows} <= {opened}
    return {row["stream"] for row in rows}


async def sound(pool: Pool) -> None:
    report = await verify(pool, overdue=timedelta(days=100_000))
    assert report.breaches == []
    assert (await rebuild(pool)).replaced == 0


@dataclass(frozen=True)
class Standstill(Pace):
    """Stands still after the first step, in which another process lets the period leave."""

    pool: Pool | None = None
    born: datetime = NOW
    steps: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        yield
        self.steps.append(1)
        if len(self.steps) == 1:
            assert self.pool is not None
            await settle(self.pool, self.born, 1)
            await drop(self.pool, self.born)


async def test_who_has_stood_still_changes_no_hash_of_what_has_left(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await succeeded(pool)
    born = await close(pool)
    for step in (move_open, seal, archive):
        await step(pool, born)
    events = await pool.fetchval("SELECT count(*) FROM events WHERE born = $1", born)
    monkeypatch.setattr(day_lines, "_STEP", 1)
    await day_lines.note_departure(pool, born, Standstill(pool=pool, born=born))
    assert await pool.fetchval("SELECT sum(events) FROM departed_days") == events > 1
    await sound(pool)


async def test_what_keeps_a_batch_from_moving_starts_no_other_batch_again(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await dead_letter(pool)
    born = await close(pool)
    monkeypatch.setattr(departure, "_BATCH", 1)
    moves, move = list[Any](), departure._move_batch

    async def sometimes(*arguments: Any) -> int:
        moves.append(arguments[-1])
        if len(moves) == 2:
            raise asyncpg.LockNotAvailableError
        return await move(*arguments)

    monkeypatch.setattr(departure, "_move_batch", sometimes)
    await move_open(pool, born)
    assert moves.count(moves[0]) == 1
    assert moves.count(moves[1]) == 2
