"""The ledger of a job: read in one snapshot, computed in a thread, because a long range takes some milliseconds."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any
from uuid import UUID

from duebook_api.history.archived import existing_job
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job import ledger
from duebook_common.domain.job.ledger import LedgerEntry, RunOutcome
from duebook_common.domain.job.schedule_history import EARLIEST, SchedulePeriod, schedule_periods
from duebook_common.domain.job.state import Job
from duebook_common.store.codec import rfc3339
from duebook_common.store.database import Connection, Pool, snapshot
from duebook_common.store.eventstore import RecordedEvent, read_light
from duebook_common.store.rows import load_outcomes

_MAX_ENTRIES = 20_000  # nominal times in one range
_BATCH = 1_000  # entries per query: its arguments and rows keep the event loop busy for some milliseconds
_RESOLUTION = timedelta(microseconds=1)


async def job_ledger(
    pool: Pool, job_id: UUID, start: datetime | None, end: datetime | None, now: datetime
) -> list[LedgerEntry]:
    """The nominal times in [start, end) up to now, each with its outcome. Without a limit the job's whole life.

    Raises Problem 404 if there is no such job, and 422 if the range has more than 20,000 nominal times.
    """
    last = now if end is None else min(now, end - _RESOLUTION)
    async with snapshot(pool) as db:
        job = await existing_job(db, job_id)
        return await read_ledger(db, job, EARLIEST if start is None else start, last)


async def read_ledger(db: Connection, job: Job, first: datetime, last: datetime) -> list[LedgerEntry]:
    """The nominal times from `first` to `last`, both included. Raises Problem 422 if they are too many."""
    recorded: Any = await read_light(db, job_events.stream(job.id))
    entries = await asyncio.to_thread(_expected_entries, job, recorded, first, last)
    return await with_recorded_runs(db, job.id, entries)


async def with_recorded_runs(db: Connection, job_id: UUID, entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """The entries with their recorded runs."""
    run_ids = await asyncio.to_thread(ledger.run_ids, job_id, entries)
    runs: dict[UUID, RunOutcome] = {}
    for n in range(0, len(run_ids), _BATCH):
        runs |= await load_outcomes(db, chain.from_iterable(run_ids[n : n + _BATCH]))
    return await asyncio.to_thread(ledger.with_runs, entries, run_ids, runs)


def _expected_entries(
    job: Job, recorded: Sequence[RecordedEvent], first: datetime, last: datetime
) -> list[LedgerEntry]:
    """The entries that the job's own stream implies."""
    history = schedule_periods(item.event for item in recorded)  # type: ignore[misc]
    count = ledger.expected(history, first, last)
    if count > _MAX_ENTRIES:
        raise _too_many_entries(history, count, first, last)
    return ledger.entries(job, history, first, last)


def _too_many_entries(history: Sequence[SchedulePeriod], count: int, first: datetime, last: datetime) -> Problem:
    times = chain.from_iterable(period.times(first, last) for period in history)
    valid_end = max(islice(times, _MAX_ENTRIES + 1))
    return range_too_long(f"this range has {count:,} nominal times, more than {_MAX_ENTRIES:,}", valid_end)


def range_too_long(message: str, valid_end: datetime) -> Problem:
    """Problem 422 for a range that is too long, with an end that is valid."""
    return invalid(Fault("/to", f"{message}; ask for a shorter range, such as one up to {rfc3339(valid_end)}"))
