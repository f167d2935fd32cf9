"""`duebook verify`: the invariants, checked over the whole log and against the read models.

All is read in one snapshot, so services may go on working. No check uses `decide`. Nominal times come from `schedule`,
which `test_oracle.py` compares with other code.
"""

from collections.abc import AsyncIterator, Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.day_hash import DayLine
from duebook_common.domain.queue.state import Pauses
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verified import EVENTS_OF_SOME_JOBS, changed_jobs, verified_to
from duebook_common.integrity.verify_archives import check_archives
from duebook_common.integrity.verify_bulk import check_bulk
from duebook_common.integrity.verify_days import check_chain, check_days
from duebook_common.integrity.verify_erasures import check_erasures
from duebook_common.integrity.verify_follow_ups import check_follow_ups
from duebook_common.integrity.verify_limits import check_keys, check_overlap
from duebook_common.integrity.verify_queues import check_pauses, fold_all_pauses
from duebook_common.integrity.verify_rates import check_rates
from duebook_common.integrity.verify_rows import check_orphans, check_rows
from duebook_common.integrity.verify_run import check_run
from duebook_common.integrity.verify_schedule import check_schedule
from duebook_common.integrity.verify_wakeups import check_wakeups
from duebook_common.store.checkpoints import Checkpoint, end_of_log
from duebook_common.store.database import Connection, Pool, snapshot
from duebook_common.store.day_lines import departed, lines
from duebook_common.store.eventstore import COLUMNS, RecordedEvent
from duebook_common.store.ledger_lines import SETTLED, archived_first_events
from duebook_common.store.log_origin import REMEDY, parts_ahead
from duebook_common.store.replay import by_stream, moving_job

_BATCH, _BATCH_EVENTS = 500, 20_000  # jobs, and events after which a batch takes no further job
Progress = Callable[[int, int], None]
_NO_PAUSES = Pauses()
_EVENTS_OF_JOBS = f"""
SELECT {COLUMNS} FROM events WHERE job_id IS NOT NULL AND NOT {SETTLED} ORDER BY job_id, xid, position
"""  # noqa: S608
_OTHER_EVENTS = f"SELECT {COLUMNS} FROM events WHERE job_id IS NULL ORDER BY xid, position"  # noqa: S608
# The history of one job may take a minute to check. A process that is frozen holds back vacuum no longer than this.
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '10min'"
# Of a queue that works off the backlog of a pause, runs that it kept back go on, or were opened a short time ago.
_WORKING_OFF = """
SELECT DISTINCT queue FROM runs WHERE resumed_at IS NOT NULL
  AND (created_at > $1 OR (wake_at IS NOT NULL AND status <> 'dead_lettered'))
"""
_GAPS = """
SELECT stream FROM events GROUP BY stream HAVING count(*) <> max(version) OR min(born) <> max(born)
"""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How much was checked, and every breach. `end`: up to which event; None if the log has none."""

    jobs: int
    events: int
    breaches: Sequence[Breach]
    end: Checkpoint | None = None


def _silent(_jobs: int, _events: int) -> None:
    """Tell nothing of the progress."""


async def verify(
    pool: Pool,
    overdue: timedelta = timedelta(minutes=5),
    kept: DayLine | None = None,
    progress: Progress = _silent,
) -> VerifyReport:
    """Check everything. An occurrence of an active job that has been due for more than `overdue` counts as missing.

    So does the follow-up of an end that was recorded before that. `kept`: the line of a day that was kept elsewhere.
    `progress` is called with the number of jobs and of events that were checked so far.
    """
    async with snapshot(pool) as db:
        await db.execute(_PATIENCE)
        now, end = await db.fetchval("SELECT clock_timestamp()"), await end_of_log(db)
        breaches = [*await _check_origin(db), *await _check_versions(db), *await check_orphans(db)]
        breaches += [*await check_erasures(db), *await check_days(db, kept)]
        others = [RecordedEvent(**record) for record in await db.fetch(_OTHER_EVENTS)]
        checked = await _check_jobs(db, others, now - overdue, progress)
        breaches += [*checked.breaches, *await check_archives(db, others)]
        breaches += [*await check_pauses(db, others), *await check_bulk(db, others)]
        breaches += [*await check_keys(db), *await check_rates(db), *await check_wakeups(db)]
        breaches += await check_follow_ups(db, now - overdue)
    return VerifyReport(checked.jobs, checked.events + len(others), breaches, end)


async def verify_changes(
    pool: Pool, overdue: timedelta = timedelta(minutes=5), progress: Progress = _silent
) -> VerifyReport | None:
    """Check what has changed since the last verification that found nothing; None if there was none.

    These are the jobs with events since then, and those that are overdue, each with all its runs, and whether the
    lines of days form a chain. What needs the whole log is left to `verify`.
    """
    async with snapshot(pool) as db:
        now, end, since = await db.fetchval("SELECT clock_timestamp()"), await end_of_log(db), await verified_to(db)
        if since is None:
            return None
        breaches = [*await _check_origin(db), *check_chain(await lines(db), await departed(db))]
        others = [RecordedEvent(**record) for record in await db.fetch(_OTHER_EVENTS)]
        changed = await changed_jobs(db, since, now - overdue)
        checked = await _check_jobs(db, others, now - overdue, progress, EVENTS_OF_SOME_JOBS, changed)
        breaches += [
            *checked.breaches,
            *await check_archives(db, others),
            *await check_pauses(db, others),
            *await check_bulk(db, others),
        ]
        breaches += await check_wakeups(db)
    return VerifyReport(checked.jobs, checked.events, breaches, end)


async def _check_jobs(
    db: Connection,
    others: Sequence[RecordedEvent],
    due_before: datetime,
    progress: Progress,
    statement: str = _EVENTS_OF_JOBS,
    *arguments: Any,
) -> VerifyReport:
    """Check the jobs whose events the statement reads. `others`: all events that belong to no job."""
    report, pauses = VerifyReport(0, 0, []), fold_all_pauses(others)
    working_off = {record["queue"] for record in await db.fetch(_WORKING_OFF, due_before)}
    async for batch in _batches(db, statement, *arguments):
        archived, found = await archived_first_events(db, batch), list[Breach]()
        for job_id, recorded in batch.items():
            found += check_job(recorded, due_before, pauses, working_off, archived.get(job_id, ()))
        found += await check_rows(db, batch, archived)
        events = report.events + sum(map(len, batch.values()))
        report = VerifyReport(report.jobs + len(batch), events, [*report.breaches, *found])
        progress(report.jobs, report.events)
    return report


async def _check_origin(db: Connection) -> list[Breach]:
    """Invariant 6: no subscriber reads from a position that lies ahead of the log."""
    return [Breach(Invariant.FEED, part, f"lies ahead of the log: {REMEDY}") for part in await parts_ahead(db)]


async def _check_versions(db: Connection) -> list[Breach]:
    """Invariant 8: the versions of each stream count from 1, without a gap, in one period."""
    says = "versions are not contiguous, or lie in two periods"
    return [Breach(Invariant.APPEND_ONLY, record["stream"], says) for record in await db.fetch(_GAPS)]


async def _batches(db: Connection, statement: str, *arguments: Any) -> AsyncIterator[dict[UUID, list[RecordedEvent]]]:
    """All that concerns jobs, some jobs at a time: the events of each job with its runs and mails."""
    batch: dict[UUID, list[RecordedEvent]] = {}
    events = 0
    async for record in db.cursor(statement, *arguments, prefetch=2000):
        recorded = RecordedEvent(**record)
        assert recorded.job_id is not None
        if recorded.job_id not in batch and (len(batch) == _BATCH or events >= _BATCH_EVENTS):
            yield batch
            batch, events = {}, 0
        events += 1
        batch.setdefault(recorded.job_id, []).append(recorded)
    if batch:
        yield batch


def check_job(
    recorded: Sequence[RecordedEvent],
    due_before: datetime,
    pauses: Pauses = _NO_PAUSES,
    working_off: Container[str] = frozenset(),
    archived: Sequence[RecordedEvent] = (),
) -> Iterator[Breach]:
    """Check one job with all its runs, which must account for what was due at `due_before` (UTC).

    `recorded` are all events about the job, in the order of the log. `pauses` are those of all queues; the queues
    `working_off` go on to work off what one kept back. `archived` are the first events of archived runs.
    """
    for stream, items in by_stream(recorded, "run-").items():
        yield from check_run(stream, [item.event for item in items])
    yield from check_schedule(moving_job(recorded, archived), due_before, pauses, working_off)
    yield from check_overlap(recorded)
