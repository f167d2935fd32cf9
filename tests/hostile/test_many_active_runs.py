"""A client that piles up active runs with large payloads on one job delays no job of another client."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.commands import Backfill
from duebook_common.store.database import acquire, connect
from duebook_common.store.job_handling import handle_job
from duebook_common.store.rows import load_jobs
from support.bookkeeping import ACTOR, context
from support.fleet import Platform, eventually
from support.harm import measured_harm
from support.samples import past

pytestmark = pytest.mark.xdist_group("hostile")  # one after the other: two at once would be measured together

TRIGGERS = 120
ALMOST_ALL = 930  # of the active runs that a job may have
EMPTY_LISTS = b'{"payload":[' + b"[]," * 86_000 + b"[]]}"


def test_large_payloads_of_active_runs_harm_no_other_client(platform: Platform) -> None:
    platform.start_all()
    job = platform.create(queue="served-by-none", recurrence={"every": "PT1S"}, overlap="buffer_all")
    with measured_harm(platform) as harm:
        for _ in range(TRIGGERS):
            answer = platform.api.post(
                f"/api/job/{job['id']}/trigger", content=EMPTY_LISTS, headers={"Content-Type": "application/json"}
            )
            assert answer.status_code == 202, answer.text
        harm.victims(10)
    harm.must_be_small()


def test_a_job_at_its_limit_of_active_runs_harms_no_other_client(platform: Platform) -> None:
    platform.start_all()
    job = platform.create(queue="served-by-none", recurrence={"every": "PT1S"}, overlap="allow_all")
    path = f"/api/job/{job['id']}"
    asyncio.run(fill(platform.environment["DUEBOOK_POSTGRES_URL"], UUID(job["id"])))
    with measured_harm(platform) as harm:
        with ThreadPoolExecutor(8) as pool:
            triggered = [pool.submit(platform.api.post, f"{path}/trigger") for _ in range(TRIGGERS)]
        assert {answer.result().status_code for answer in triggered} == {202, 409}
        harm.victims(10)
    harm.must_be_small(most_wait=3)  # a job of the same slice waits behind the triggers for its lock
    assert eventually(lambda: reasons(platform, f"{path}/ledger?limit=200")) == {"max_active_runs"}


async def fill(url: str, job_id: UUID) -> None:
    """Give the job almost as many active runs as it may have, by one decision: by triggers it takes a minute of CPU."""
    now = datetime.now(UTC)
    times = [now - timedelta(days=1, seconds=n) for n in range(ALMOST_ALL)]
    async with connect(url, "test", 1) as pool:
        async with acquire(pool) as db:
            job = (await load_jobs(db, [job_id]))[job_id]
        filled = await handle_job(pool, job_id, Backfill(past(job, *times), Overlap.ALLOW_ALL, context(now)), ACTOR)
        assert filled is not None
        assert len(filled.runs) == ALMOST_ALL


def reasons(platform: Platform, path: str) -> set[str]:
    """Those of the skipped occurrences of a ledger, which accounts for each occurrence."""
    ledger = platform.get(path)
    assert ledger["unaccounted"] == 0
    return {item["reason"] for item in ledger["items"] if item["outcome"] == "skipped"}
