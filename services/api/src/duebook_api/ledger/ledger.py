"""The ledger of a job: read in one snapshot, worked out beside the event loop."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any
from uuid import UUID

from duebook_api.http.problems import Fault, Problem, invalid, not_found
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job import ledger
from duebook_common.domain.job.ledger import LedgerEntry, RunOutcome
from duebook_common.domain.job.schedule_history import EARLIEST, SchedulePeriod, schedule_periods
from duebook_common.domain.job.state import Job
from duebook_common.store.codec import rfc3339
from duebook_common.store.database import Connection, Pool, snapshot
from duebook_common.store.eventstore import RecordedEvent, read
from duebook_common.store.rows import load_jobs

_MOST = 20_000  # nominal times in one range
_AT_ONCE = 1_000  # times in one question for their runs: to write and read it takes some milliseconds of the event loop
_INSTANT = timedelta(microseconds=1)
_FOUND = "SELECT run_id, status, reason FROM runs WHERE run_id = ANY($1::uuid[])"


async def ledger_of(
    pool: Pool, job_id: UUID, start: datetime | None, end: datetime | None, now: datetime
) -> list[LedgerEntry]:
    """Every nominal time from `start` to before `end` that has come; raises Problem 404, or 422 for too many."""
    last = now if end is None else min(now, end - _INSTANT)
    async with snapshot(pool) as db:
        job = (await load_jobs(db, [job_id])).get(job_id)
        if job is None:
            raise not_found(f"job {job_id}")
        return await read_ledger(db, job, EARLIEST if start is None else start, last)


async def read_ledger(db: Connection, job: Job, first: datetime, last: datetime) -> list[LedgerEntry]:
    """The nominal times from `first` to `last`, both included; raises Problem 422 where they are too many."""
    recorded: Any = await read(db, job_events.stream(job.id))
    told, ids = await asyncio.to_thread(_expected, job, recorded, first, last)
    found: dict[UUID, RunOutcome] = {}
    for n in range(0, len(ids), _AT_ONCE):
        records = await db.fetch(_FOUND, [*chain.from_iterable(ids[n : n + _AT_ONCE])])
        found |= {record["run_id"]: RunOutcome(record["status"], record["reason"]) for record in records}
    return await asyncio.to_thread(ledger.with_runs, told, ids, found)


def _expected(
    job: Job, recorded: Sequence[RecordedEvent], first: datetime, last: datetime
) -> tuple[list[LedgerEntry], list[tuple[UUID, UUID]]]:
    history = schedule_periods(item.event for item in recorded)  # type: ignore[misc]
    count = ledger.expected(history, first, last)
    if count > _MOST:
        raise _too_many(history, count, first, last)
    told = ledger.entries(job, history, first, last)
    return told, ledger.run_ids(job.id, told)


def _too_many(history: Sequence[SchedulePeriod], count: int, first: datetime, last: datetime) -> Problem:
    times = chain.from_iterable(stretch.times(first, last) for stretch in history)
    fits = max(islice(times, _MOST + 1))
    return shorter(f"{count:,} nominal times lie in this range, and one answer tells of {_MOST:,}", fits)


def shorter(says: str, fits: datetime) -> Problem:
    """Problem 422 for a range that is too long, with an end that is not."""
    return invalid(Fault("/to", f"{says}; ask for a shorter range, such as one up to {rfc3339(fits)}"))
