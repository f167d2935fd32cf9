"""Fill a database: the jobs by real commands, the runs as copies of samples, each with its events, as the books are."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import uuid_utils.compat as uuids

from benchmarks.scale.samples import sample_runs
from benchmarks.scale.statements import (
    AFTER,
    COPY_EVENTS,
    COPY_LINES,
    COPY_MAILS,
    COPY_RUNS,
    OPERATIONAL,
    TABLES,
    WANTED,
)
from duebook_common.domain.definition import Cron, Definition, Every
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.run.ids import run_id_at
from duebook_common.store import statistics
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool, acquire, connect
from duebook_common.store.job_handling import create_jobs

JOBS, RUNS_OF_JOB, QUEUES = 10_000, 100, 100
_PERIODS = [timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6), timedelta(days=1)]
_ZONES = "UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"
_BATCH, _CREATED = 50_000, 500  # rows in one statement


class SampleJob(NamedTuple):
    """A job, and the nominal time of its first run."""

    id: UUID
    definition: Definition
    start: datetime
    period: timedelta


def _job(n: int, now: datetime) -> SampleJob:
    period = _PERIODS[n % len(_PERIODS)]
    start = now - period * RUNS_OF_JOB + period * random.random() * 0.9
    recurrence: Every | Cron = Every(period)
    if period == timedelta(days=1):
        start = start.replace(second=0, microsecond=0)
        recurrence = Cron(f"{start.minute} {start.hour} * * *")
    definition = Definition(
        name=f"report {n % 997} of tenant {n % 41}",
        task=f"task-{n % 20}",
        queue=f"queue-{n % QUEUES}",
        priority=n % 10,
        scheduled_at=start,
        recurrence=recurrence,
        timezone="UTC" if period == timedelta(days=1) else _ZONES[n % len(_ZONES)],
        payload={"tenant": n % 41, "rows": n},
        tags=(f"tenant-{n % 41}", "nightly" if n % 3 else "hourly"),
    )
    return SampleJob(uuids.uuid7(), definition, start, period)


async def fill(url: str) -> None:
    """Fill a migrated database without jobs; takes some minutes."""
    random.seed(1)
    now = datetime.now(UTC)
    async with connect(url, "bench", 2, statement_timeout=1200) as pool:
        samples = await sample_runs(pool, now)
        jobs = [_job(n, now) for n in range(JOBS)]
        await _create(pool, jobs)
        for statement in TABLES:
            await pool.execute(statement)
        await pool.executemany("INSERT INTO bench_samples VALUES ($1, $2)", list(samples.items()))
        await _list_runs(pool, jobs)
        await _copy(pool)
        for statement in OPERATIONAL:
            await pool.execute(statement)
        await statistics.rebuild(pool, now)
        await statistics.prune(pool, now)
        for statement in AFTER:
            await pool.execute(statement)


async def _create(pool: Pool, jobs: list[SampleJob]) -> None:
    for first in range(0, len(jobs), _CREATED):
        some = jobs[first : first + _CREATED]
        created = {job.id: job_decide.create(job.id, job.definition, job.start) for job in some}
        assert await create_jobs(pool, created, Actor("client bench"))


async def _list_runs(pool: Pool, jobs: list[SampleJob]) -> None:
    rows = sorted(_runs(jobs), key=lambda row: row[2])
    numbered = [(n, *row) for n, row in enumerate(rows)]
    async with acquire(pool) as db:
        await db.copy_records_to_table(WANTED, records=numbered, timeout=600)
        await db.execute(f"ANALYZE {WANTED}")


def _runs(jobs: list[SampleJob]) -> Iterator[tuple[UUID, UUID, datetime, datetime, str, int]]:
    """Run, job, nominal time, the one after it, status, fingerprint."""
    for job in jobs:
        for k in range(RUNS_OF_JOB):
            at = job.start + k * job.period
            status = _status(k)
            yield run_id_at(job.id, at), job.id, at, at + job.period, status, int(random.paretovariate(0.4)) % 3000


def _status(k: int) -> str:
    """Of the newest run of a job any; of an older one an ended one."""
    if k == RUNS_OF_JOB - 1:
        return random.choices(["succeeded", "running", "dispatched", "retrying", "waiting"], [60, 5, 10, 10, 15])[0]
    ended = ["succeeded", "dead_lettered", "skipped", "cancelled", "discarded"]
    return random.choices(ended, [900, 50, 30, 10, 10])[0]


async def _copy(pool: Pool) -> None:
    """The oldest first, so that the log is in order."""
    for start in range(0, JOBS * RUNS_OF_JOB, _BATCH):
        for statement in (COPY_RUNS, COPY_EVENTS, COPY_LINES, COPY_MAILS):
            await pool.execute(statement, start, start + _BATCH)
