"""A verification from a checkpoint finds what was planted after it, and a chain that does not sign it any more."""

from datetime import timedelta
from typing import Any

import pytest

from duebook_common.domain.definition import Concurrency, FollowUp, Rate
from duebook_common.domain.run.commands import FailAttempt, Succeed, WakeRun
from duebook_common.domain.run.state import Run
from duebook_common.integrity import workers as module
from duebook_common.integrity.verified import remember
from duebook_common.integrity.verify import VerifyReport, verify, verify_recent
from duebook_common.integrity.workers import Workers
from duebook_common.store.database import Pool
from support.bookkeeping import NOW, dispatched, do, past_horizon, start, started
from support.contents import read_the_log
from support.lines_of_days import write_lines
from support.planted_faults import FAULTS, JOBS, LONG_AGO, plant, unguarded
from support.samples import MINUTE

ORPHAN = next(fault for fault in FAULTS if fault.startswith("INSERT"))
SHIFT = "UPDATE events SET recorded_at = recorded_at - interval '{} days'"


async def histories(pool: Pool, jobs: int) -> None:
    for n in range(jobs):
        run = await started(pool, max_retries=0)
        ends = Succeed(1, {"n": n}, NOW) if n % 2 else FailAttempt(1, "boom", NOW, chance=0.5, retry=False)
        await do(pool, run, ends)


async def checkpoint(pool: Pool, days: int = 1) -> VerifyReport:
    """Let all that was recorded so far be so many days old; the line of its last day signs the checkpoint."""
    await unguarded(pool, SHIFT.format(days))
    await write_lines(pool)
    await past_horizon(pool)
    report = await verify(pool, LONG_AGO)
    assert (report.breaches, report.since) == ([], None)
    assert report.end is not None
    await remember(pool, report.end, report.line)
    return report


async def recent(pool: Pool, workers: Workers | None = None) -> VerifyReport:
    report = await verify_recent(pool, LONG_AGO, workers=workers)
    assert report is not None
    return report


async def test_without_a_checkpoint_there_is_nothing_to_begin_at(pool: Pool) -> None:
    assert await verify_recent(pool, LONG_AGO) is None


async def test_what_came_since_is_checked_and_what_was_verified_is_not(pool: Pool) -> None:
    await histories(pool, 3)
    before = await checkpoint(pool)
    assert ((await recent(pool)).jobs, (await recent(pool)).breaches) == (0, [])
    await histories(pool, 2)
    report = await recent(pool)
    assert (report.jobs, report.breaches) == (2, [])
    assert report.since is not None
    assert before.line is not None
    assert report.since.line == before.line.hash


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault is not ORPHAN])
async def test_a_fault_after_the_checkpoint_is_found(pool: Pool, fault: str) -> None:
    await histories(pool, 2)
    await checkpoint(pool)
    await histories(pool, 2)
    if "meta" in fault:  # which no state has: only the hash of the day tells
        await write_lines(pool)
    assert (await recent(pool)).breaches == []
    (job_id,) = (await pool.fetch(JOBS))[-1]
    await plant(pool, fault, job_id)
    assert (await recent(pool)).breaches


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_before_the_checkpoint_is_found_by_a_full_verification(pool: Pool, fault: str) -> None:
    await histories(pool, 2)
    await checkpoint(pool)
    await histories(pool, 2)
    (job_id,) = (await pool.fetch(JOBS))[1]
    await plant(pool, fault, job_id)
    assert (await verify(pool, LONG_AGO)).breaches


async def test_an_old_fault_of_a_job_that_goes_on_is_found(pool: Pool) -> None:
    run = await started(pool)
    await checkpoint(pool)
    await unguarded(pool, "UPDATE events SET data = data || '{\"attempt\": 5}' WHERE type = 'AttemptStarted'")
    await do(pool, run, Succeed(1, None, NOW))
    assert (await recent(pool)).breaches


async def test_a_changed_event_of_a_day_since_is_found(pool: Pool) -> None:
    """Its contents are of no state, so only the hash of the day tells."""
    await histories(pool, 1)
    await checkpoint(pool, days=2)
    await histories(pool, 1)
    await unguarded(pool, f"{SHIFT.format(1)} WHERE recorded_at > now() - interval '1 hour'")
    await write_lines(pool)
    assert (await recent(pool)).breaches == []
    newest = "position = (SELECT max(position) FROM events)"
    await unguarded(pool, f"UPDATE events SET salt = gen_random_uuid() WHERE {newest}")
    [breach] = (await recent(pool)).breaches
    assert breach.says == "its events were changed since its line was written"


async def test_a_chain_that_was_computed_again_does_not_sign_the_checkpoint(pool: Pool) -> None:
    await histories(pool, 2)
    await checkpoint(pool)
    await unguarded(pool, "UPDATE events SET salt = gen_random_uuid() WHERE type = 'JobCreated'")
    await pool.execute("DELETE FROM day_lines")
    await write_lines(pool)
    assert (await verify(pool, LONG_AGO)).breaches == []  # only who knows the line of before can tell
    [breach] = (await recent(pool)).breaches
    assert "not in the chain" in breach.says


async def test_limits_are_checked_across_the_checkpoint(pool: Pool) -> None:
    """One run holds the only slot of a key since before the checkpoint, and one start is all that a rate allows."""
    key, rate = Concurrency("k", 1), Rate("r", 1, timedelta(days=1))
    await admitted(pool, concurrency=key)
    first = await admitted(pool, rate=rate)
    assert (await do(pool, first, start(first))).error is None
    await checkpoint(pool)
    await unguarded(pool, "UPDATE events SET recorded_at = recorded_at + interval '23 hours 59 minutes'")
    await pool.execute("DELETE FROM day_lines")
    await pool.execute("UPDATE checkpoints SET line = NULL")
    assert (await recent(pool)).breaches == []
    await admitted(pool, concurrency=key)
    await pool.execute("TRUNCATE rate_starts")  # so that the database grants another one
    second = await admitted(pool, rate=rate)
    assert (await do(pool, second, start(second))).error is None
    says = " ".join(breach.says for breach in (await recent(pool)).breaches)
    assert "which allows 1" in says
    assert "which allows no more" in says


async def admitted(pool: Pool, **fields: Any) -> Run:
    """A run that a scheduler has sent, although nothing was free."""
    result = await do(pool, await dispatched(pool, **fields), WakeRun(NOW, 0.5, MINUTE, free=True))
    assert result.run is not None
    return result.run


@pytest.mark.parametrize("ahead", ["0 days", "400 days"])
async def test_a_follow_up_that_is_missing_since_is_found(pool: Pool, ahead: str) -> None:
    """Also where the clock of the database was ahead when the checkpoint was left, and was set right since."""
    first = await started(pool)
    await checkpoint(pool)
    await unguarded(pool, f"UPDATE events SET recorded_at = recorded_at + interval '{ahead}'")
    job: Any = FollowUp(job=str(first.job_id), on=("succeeded",))
    await do(pool, await started(pool, then=(job,)), Succeed(1, None, NOW))
    await read_the_log(pool)
    assert any("follow-ups" in breach.says for breach in (await recent(pool)).breaches)


async def test_two_processes_find_what_one_finds(
    pool: Pool, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FEW", 0)
    await histories(pool, 2)
    await checkpoint(pool)
    await histories(pool, 9)
    for fault, (job_id,) in zip(FAULTS, (await pool.fetch(JOBS))[2:], strict=False):
        await plant(pool, fault, job_id)
    one, both = await recent(pool), await recent(pool, Workers(postgres_url, 2))
    assert (len(one.breaches) > 5, {*one.breaches}, one.jobs) == (True, {*both.breaches}, both.jobs)
