"""`duebook verify`: the invariants, checked over the whole log and against the read models.

All is read in one snapshot, so services may go on working. No check uses `decide`. Nominal times come from `schedule`,
which `test_oracle.py` compares with other code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from duebook_common.domain.day_hash import DayLine
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verified import Verified, verified_to
from duebook_common.integrity.verify_archives import check_archives
from duebook_common.integrity.verify_bulk import check_bulk
from duebook_common.integrity.verify_days import check_days
from duebook_common.integrity.verify_parts import Part, PartContext, PartReport, check_part, plan
from duebook_common.integrity.verify_queues import check_pauses, fold_all_pauses
from duebook_common.integrity.workers import LONG_IDLE, Workers, export_snapshot, imported_snapshot, spread, worth
from duebook_common.store.checkpoints import Checkpoint, end_of_log
from duebook_common.store.database import Connection, Pool, snapshot
from duebook_common.store.day_lines import last_line
from duebook_common.store.eventstore import COLUMNS, RecordedEvent
from duebook_common.store.log_origin import REMEDY, parts_ahead

Progress = Callable[[int, int], None]
_OTHER_EVENTS = f"SELECT {COLUMNS} FROM events WHERE job_id IS NULL ORDER BY xid, position"  # noqa: S608


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How much was checked, and every breach. `end`: up to which event; None if the log has none.

    `line` is the newest line of a day, `since` the checkpoint from which on was checked; None: from the first event.
    """

    jobs: int
    events: int
    breaches: Sequence[Breach]
    end: Checkpoint | None = None
    line: DayLine | None = None
    since: Verified | None = None


class _Count:
    """Adds up what was checked, and tells the sums."""

    def __init__(self, progress: Progress) -> None:
        self.jobs = self.events = 0
        self._progress = progress

    def add(self, jobs: int, events: int) -> None:
        self.jobs, self.events = self.jobs + jobs, self.events + events
        self._progress(self.jobs, self.events)


def _silent(_jobs: int, _events: int) -> None:
    """Tell nothing of the progress."""


async def verify(
    pool: Pool,
    overdue: timedelta = timedelta(minutes=5),
    kept: DayLine | None = None,
    progress: Progress = _silent,
    workers: Workers | None = None,
) -> VerifyReport:
    """Check everything. An occurrence of an active job that has been due for more than `overdue` counts as missing.

    So does the follow-up of an end that was recorded before that. `kept`: the line of a day that was kept elsewhere.
    `progress` is called with the number of jobs and of events that were checked so far. `workers` share a large log.
    """
    async with snapshot(pool) as db:
        return await _verify(db, overdue, kept, progress, workers, None)


async def verify_recent(
    pool: Pool,
    overdue: timedelta = timedelta(minutes=5),
    progress: Progress = _silent,
    workers: Workers | None = None,
) -> VerifyReport | None:
    """Check what came since the checkpoint of the last verification that found nothing; None without one.

    These are the jobs with events since then, and those that are overdue, each with all its runs; the streams, limits
    and follow-ups since then, and all that wakes; the days since the line that signs the checkpoint, and that the lines
    of all days form a chain with that line.
    """
    async with snapshot(pool) as db:
        since = await verified_to(db)
        return None if since is None else await _verify(db, overdue, None, progress, workers, since)


async def _verify(
    db: Connection,
    overdue: timedelta,
    kept: DayLine | None,
    progress: Progress,
    workers: Workers | None,
    since: Verified | None,
) -> VerifyReport:
    await db.execute(LONG_IDLE)
    now, end, line = await db.fetchval("SELECT clock_timestamp()"), await end_of_log(db), await last_line(db)
    others = await _other_events(db)
    breaches = [*await _check_origin(db), *await _check_others(db, others)]
    context = PartContext(fold_all_pauses(others), now - overdue, since)
    reports = await _check_parts(db, context, progress, await worth(db, workers, since))
    breaches += [breach for report in reports for breach in report.breaches]
    breaches += await check_days(db, [report.days for report in reports], kept, since)
    jobs, events = sum(report.jobs for report in reports), sum(report.events for report in reports)
    return VerifyReport(jobs, events + (len(others) if since is None else 0), breaches, end, line, since)


@dataclass(frozen=True, slots=True)
class _Task:
    """A part for a process that is to see this snapshot."""

    part: Part
    context: PartContext
    snapshot: str


async def _check_parts(
    db: Connection, context: PartContext, progress: Progress, workers: Workers | None
) -> list[PartReport]:
    """What each part has found, in the order of the parts."""
    count = _Count(progress)
    if workers is None:
        return [await check_part(db, part, context, count.add) for part in await plan(db, context, 1)]
    name, parts = await export_snapshot(db), await plan(db, context, workers.count)
    tasks = [_Task(part, context, name) for part in parts]
    return await spread(workers, _check_task, tasks, lambda report: count.add(report.jobs, report.events))


async def _check_task(pool: Pool, task: _Task) -> PartReport:
    async with imported_snapshot(pool, task.snapshot) as db:
        return await check_part(db, task.part, task.context, _silent)


async def _other_events(db: Connection) -> list[RecordedEvent]:
    """All events that belong to no job."""
    return [RecordedEvent(**record) for record in await db.fetch(_OTHER_EVENTS)]


async def _check_others(db: Connection, others: Sequence[RecordedEvent]) -> list[Breach]:
    return [*await check_archives(db, others), *await check_pauses(db, others), *await check_bulk(db, others)]


async def _check_origin(db: Connection) -> list[Breach]:
    """Invariant 6: no subscriber reads from a position that lies ahead of the log."""
    return [Breach(Invariant.FEED, part, f"lies ahead of the log: {REMEDY}") for part in await parts_ahead(db)]
