"""Processes that share a verification or a rebuild find and write what one process does."""

import os
import signal
from bisect import bisect_right
from collections import Counter
from concurrent.futures.process import BrokenProcessPool

import pytest

from duebook_common.domain.mail import MailSent
from duebook_common.domain.run.commands import FailAttempt, Succeed
from duebook_common.integrity import workers as module
from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.integrity.workers import Workers, spread, stream_cuts
from duebook_common.store.database import Pool, acquire
from duebook_common.store.mail_handling import MailResult, record_mails
from support.bookkeeping import ACTOR, NOW, do, started
from support.lines_of_days import write_lines
from support.planted_faults import FAULTS, JOBS, LONG_AGO, plant


@pytest.fixture
def two(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Two processes, for a log of any size."""
    monkeypatch.setattr(module, "_FEW", 0)
    return Workers(postgres_url, 2)


async def with_history(pool: Pool) -> None:
    """Jobs with runs that ended in all ways, with mails, and the line of each day."""
    for n in range(24):
        run = await started(pool, max_retries=0)
        if n % 3:
            await do(pool, run, Succeed(1, {"n": n}, NOW))
            sent = MailSent(outcome="succeeded-3", recipient=f"{n}@example.com", message_id=f"<{n}@duebook>", at=NOW)
            assert await record_mails(pool, [MailResult(run.id, run.job_id, sent)], ACTOR)
        elif n % 2:
            await do(pool, run, FailAttempt(1, "boom", NOW, chance=0.5, retry=False))
    await write_lines(pool)


async def test_two_processes_find_what_one_finds(pool: Pool, two: Workers) -> None:
    await with_history(pool)
    sound = await verify(pool, LONG_AGO, workers=two)
    assert (sound.breaches, sound.jobs, sound.events) == ([], 24, (await verify(pool, LONG_AGO)).events)
    known = 0
    for fault, (job_id,) in zip(FAULTS, await pool.fetch(JOBS), strict=False):
        await plant(pool, fault, job_id)
        found = len((await verify(pool, LONG_AGO)).breaches)
        assert found > known, fault
        known = found
    one, both = await verify(pool, LONG_AGO), await verify(pool, LONG_AGO, workers=two)
    assert (Counter(both.breaches), both.jobs, both.events) == (Counter(one.breaches), one.jobs, one.events)


async def test_two_processes_rebuild_what_one_rebuilds(pool: Pool, two: Workers) -> None:
    await with_history(pool)
    tables = ("jobs", "runs", "mails")
    order = "SELECT t::text FROM {} AS t ORDER BY 1"
    before = [await pool.fetch(order.format(table)) for table in tables]
    await pool.execute("UPDATE runs SET attempt = 7, status = 'running', wake_at = now() WHERE attempt > 0")
    await pool.execute("UPDATE jobs SET reason = 'x'")
    await pool.execute("DELETE FROM mails")
    summary = await rebuild(pool, workers=two)
    assert (summary.streams, summary.replaced) == (24 + 24 + 16, 24 + 24 + 16)
    assert [await pool.fetch(order.format(table)) for table in tables] == before
    assert (await rebuild(pool, workers=two)).replaced == 0


async def test_streams_whose_names_begin_alike_are_cut_evenly(pool: Pool) -> None:
    await with_history(pool)
    streams = [row["stream"] for row in await pool.fetch("SELECT stream FROM events WHERE starts_with(stream, 'run-')")]
    assert len({stream[:12] for stream in streams}) == 1
    async with acquire(pool) as db:
        cuts = await stream_cuts(db, 8, "run-")
    pieces = Counter(bisect_right(cuts, stream) for stream in streams)
    assert len(pieces) == 8
    assert max(pieces.values()) <= len(streams) / 4


async def _fail(_: Pool, part: int) -> int:
    if part:
        raise ValueError(f"part {part}")
    return part


async def _die(_: Pool, signal_: int) -> None:
    os.kill(os.getpid(), signal_)


async def test_the_fault_of_a_part_is_that_of_the_whole(two: Workers) -> None:
    done = list[int | None]()
    assert await spread(two, _fail, [0, 0], done.append) == done == [0, 0]
    with pytest.raises(ValueError, match="part 1"):
        await spread(two, _fail, [0, 1, 0], done.append)
    with pytest.raises(BrokenProcessPool):
        await spread(two, _die, [signal.SIGKILL], done.append)
