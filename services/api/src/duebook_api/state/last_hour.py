"""What the ledgers of the newest recurring jobs say of the last hour, in one sum: whether anything is unaccounted for.

Its cost is bounded whatever jobs there are: by the number of jobs, of their events and of their nominal times. A job
that has more of them is left out; `duebook verify` looks at all.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from duebook_common.domain.job import events as job_events
from duebook_common.domain.job import ledger
from duebook_common.domain.job.ledger import LedgerEntry
from duebook_common.domain.job.schedule_history import schedule_periods
from duebook_common.domain.job.state import Job
from duebook_common.store.database import Pool, snapshot
from duebook_common.store.eventstore import RecordedEvent, read_light_of
from duebook_common.store.rows import load_jobs_to_decide, load_outcomes

_HOUR, _RESOLUTION = timedelta(hours=1), timedelta(microseconds=1)
_JOBS, _TIMES = 20, 5_000
# A definition is stored without a recurrence if it has none.
_NEWEST = """
SELECT job_id FROM (
    SELECT job_id, stream_version, definition FROM jobs WHERE status = 'active'
    ORDER BY created_at DESC, job_id DESC LIMIT 1000
) AS newest WHERE definition ? 'recurrence' AND stream_version <= 500 LIMIT $1
"""
RunIds = list[tuple[UUID, UUID]]


class _Expected(NamedTuple):
    """The entries of a job by its own stream, and the runs that they may have."""

    entries: list[LedgerEntry]
    run_ids: RunIds


async def last_hour(pool: Pool, now: datetime) -> dict[str, Any]:
    """The sums of the nominal times in the hour up to now, and of how many jobs."""
    start = now - _HOUR
    async with snapshot(pool) as db:
        jobs = await load_jobs_to_decide(db, [row["job_id"] for row in await db.fetch(_NEWEST, _JOBS)])
        histories = await read_light_of(db, map(job_events.stream, jobs))
        expected = await asyncio.to_thread(_expected, list(jobs.values()), histories, start, now - _RESOLUTION)
        runs = await load_outcomes(db, (run_id for job in expected for pair in job.run_ids for run_id in pair))
    entries = [entry for job in expected for entry in ledger.with_runs(*job, runs)]
    totals = ledger.totals(entries)
    sums = {"expected": totals.expected, "unaccounted": totals.unaccounted}
    return {"from": start, "to": now, "jobs": len(expected), **sums}


def _expected(
    jobs: Sequence[Job], histories: Sequence[RecordedEvent], first: datetime, last: datetime
) -> list[_Expected]:
    by_stream, left, expected = defaultdict[str, list[Any]](list), _TIMES, list[_Expected]()
    for item in histories:
        by_stream[item.stream].append(item.event)
    for job in jobs:
        periods = schedule_periods(by_stream[job_events.stream(job.id)])
        count = ledger.expected(periods, first, last)
        if count <= left:
            left -= count
            entries = ledger.entries(job, periods, first, last)
            expected.append(_Expected(entries, ledger.run_ids(job.id, entries)))
    return expected
