"""`duebook verify`: the invariants, checked over the whole log and against the read models.

Read in one snapshot, so it may run beside working services. The names S2 … S9 are those of ARCHITECTURE.md.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, get_args
from uuid import UUID

from duebook_common.domain.job import events as job_events
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.events import (
    JobChanged,
    JobCreated,
    JobDeleted,
    JobFinished,
    JobPaused,
    JobResumed,
    OccurrencesSkipped,
)
from duebook_common.domain.job.schedule_history import EVER, SchedulePeriod, schedule_periods
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import BY_SCHEDULE, FirstEvent, RunBuffered, RunDispatched, RunSkipped
from duebook_common.domain.schedule.nominal import count_between, last_between, next_after
from duebook_common.integrity.verify_limits import check_keys, check_overlap
from duebook_common.integrity.verify_run import check_run
from duebook_common.store import mail_projection
from duebook_common.store.database import Connection, Pool, snapshot
from duebook_common.store.eventstore import COLUMNS, RecordedEvent
from duebook_common.store.replay import fold_job, fold_mails, fold_run, same_run, stream_id
from duebook_common.store.rows import inconsistent_jobs, load_jobs, load_runs

_BATCH, _INSTANT = 500, timedelta(microseconds=1)
_ALL = f"SELECT {COLUMNS} FROM events ORDER BY job_id, xid, position"  # noqa: S608
_HEADS = """
SELECT coalesce(heads.stream, e.stream) AS stream FROM heads
FULL JOIN (SELECT stream, count(*) AS events, max(version) AS version FROM events GROUP BY stream) AS e USING (stream)
WHERE heads.version IS DISTINCT FROM e.version OR e.events IS DISTINCT FROM e.version::bigint
"""


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold, and where."""

    invariant: str
    stream: str
    says: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was looked at, and what was found wrong."""

    jobs: int
    events: int
    breaches: Sequence[Breach]


async def verify(pool: Pool, overdue: timedelta = timedelta(minutes=5)) -> VerifyReport:
    """Check everything; an active job whose next occurrence is due for longer than `overdue` is unaccounted."""
    jobs = events = 0
    async with snapshot(pool) as db:
        now = await db.fetchval("SELECT clock_timestamp()")
        torn = await db.fetch(_HEADS)
        breaches = [Breach("S2", r["stream"], "versions are not contiguous up to the head") for r in torn]
        async for batch in _jobs(db):
            jobs += len(batch)
            events += sum(map(len, batch.values()))
            for recorded in batch.values():
                breaches += check_job(recorded, now - overdue)
            breaches += await _check_rows(db, batch) + await _check_mails(db, batch)
        breaches += [Breach("S6", stream, says) for stream, says in await check_keys(db)]
    return VerifyReport(jobs, events, breaches)


async def _jobs(db: Connection) -> AsyncIterator[dict[UUID, list[RecordedEvent]]]:
    """The log's events by job, some jobs at a time."""
    batch: dict[UUID, list[RecordedEvent]] = {}
    async for record in db.cursor(_ALL, prefetch=2000):
        recorded = RecordedEvent(**record)
        if len(batch) == _BATCH and recorded.job_id not in batch:
            yield batch
            batch = {}
        batch.setdefault(recorded.job_id, []).append(recorded)
    if batch:
        yield batch


def check_job(recorded: Sequence[RecordedEvent], due_before: datetime) -> Iterator[Breach]:
    """One job with all its runs, in the order of the log: every time once, every attempt fenced, limits kept."""
    by_stream = sorted(recorded, key=lambda item: item.stream)
    for stream, items in groupby(by_stream, key=lambda item: item.stream):
        if stream.startswith("run-"):
            yield from (Breach(name, stream, says) for name, says in check_run([item.event for item in items]))
    yield from _check_schedule(_moving(recorded), due_before)
    yield from (Breach("S6", stream, says) for stream, says in check_overlap(recorded))


def _moving(recorded: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """What moves a job: its own events, and the first events of its runs."""
    return [r for r in recorded if r.stream.startswith("job-") or (r.stream.startswith("run-") and r.version == 1)]


def _check_schedule(recorded: Sequence[RecordedEvent], due_before: datetime) -> Iterator[Breach]:
    """Follow the job from occurrence to occurrence: none left out, none twice."""
    if not recorded or not isinstance(recorded[0].event, JobCreated):
        yield Breach("S6", recorded[0].stream if recorded else "?", "a job's history begins with JobCreated")
        return
    history: list[Any] = [item.event for item in recorded]
    job = job_state.opened(recorded[0].job_id, history[0])
    for item, event in zip(recorded[1:], history[1:], strict=True):
        says = _occurrence_fault(job, event)
        if says:
            yield Breach("S6", item.stream, says)
        job = job_state.evolve(job, event)
    if job.status is JobStatus.ACTIVE and job.next_at is not None and job.next_at < due_before:
        yield Breach("S6", job_events.stream(job.id), f"{job.next_at} is due and unaccounted for")
    yield from _check_sums(job, schedule_periods(history), due_before)


def _check_sums(job: Job, history: Sequence[SchedulePeriod], due_before: datetime) -> Iterator[Breach]:
    """Beside every step the whole: as many nominal times are recorded as were expected, schedule by schedule."""
    for stretch in history:
        last = stretch.until or (job.next_at - _INSTANT if job.next_at is not None else due_before)
        expected, recorded = stretch.count(EVER, last), stretch.runs + sum(skip.count for skip in stretch.skips)
        if expected != recorded:
            says = f"{expected} nominal times were expected up to {last}, but {recorded} are recorded"
            yield Breach("S6", job_events.stream(job.id), says)


def _occurrence_fault(job: Job, event: object) -> str | None:
    match event:
        case RunDispatched() | RunBuffered() | RunSkipped() if event.trigger in BY_SCHEDULE:
            return _opening_fault(job, event)
        case OccurrencesSkipped():
            return _skip_fault(job, event)
        case JobFinished():
            return _end_fault(job, event)
        case JobChanged() if job.next_at is not None and event.definition.same_schedule(job.definition):
            return None if event.next_at == job.next_at else f"goes on with {event.next_at} instead of {job.next_at}"
        case JobChanged() | JobPaused() | JobResumed() | JobDeleted():
            if job.next_at is not None and job.next_at < event.at:
                return f"{job.next_at} was due before the change at {event.at} and is not accounted for"
    return None


def _end_fault(job: Job, event: JobFinished) -> str | None:
    if job.next_at is None or (job.exhausted and job.next_at > event.at):
        return None
    return f"finished, although {job.next_at} was {'due' if job.exhausted else 'next'}"


def _opening_fault(job: Job, event: FirstEvent) -> str | None:
    if event.nominal_at != job.next_at:
        return f"accounts for {event.nominal_at}, but {job.next_at} was next"
    if event.next_at != next_after(job.definition, event.nominal_at):
        return f"goes on with {event.next_at}, which is not the next nominal time"
    if event.at < event.nominal_at:
        return f"dispatched at {event.at}, before its nominal time {event.nominal_at}"
    if job.exhausted and not isinstance(event, RunSkipped):
        return f"makes run {job.runs + 1}, but max_runs is {job.definition.max_runs}"
    return None


def _skip_fault(job: Job, event: OccurrencesSkipped) -> str | None:
    count = count_between(job.definition, event.first, event.last)
    last = last_between(job.definition, event.first, event.last)
    if event.first != job.next_at or count != event.count or last != event.last:
        return f"skips {event.count} from {event.first} to {event.last}, but {count} from {job.next_at} were due"
    return None if event.next_at == next_after(job.definition, event.last) else "a skip goes on with a wrong time"


async def _check_rows(db: Connection, batch: dict[UUID, list[RecordedEvent]]) -> list[Breach]:
    """Invariant S9: every row is the fold of its events. A history without a beginning was found out already."""
    jobs, torn = await load_jobs(db, batch), await inconsistent_jobs(db, batch)
    begun = {id_: moving for id_, recorded in batch.items() if _begins(moving := _moving(recorded), JobCreated)}
    wrong = [id_ for id_, moving in begun.items() if id_ in torn or jobs.get(id_) != fold_job(id_, moving)]
    streams: dict[str, list[RecordedEvent]] = {}
    for item in (item for recorded in batch.values() for item in recorded if item.stream.startswith("run-")):
        streams.setdefault(item.stream, []).append(item)
    rows = await load_runs(db, [stream_id(stream) for stream in streams])
    folds = {stream: fold_run(run) for stream, run in streams.items() if _begins(run, *get_args(FirstEvent))}
    return [
        *(Breach("S9", job_events.stream(id_), "the row of jobs differs from the log") for id_ in wrong),
        *(
            Breach("S9", stream, "the row of runs differs from the log")
            for stream, fold in folds.items()
            if not same_run(rows.get(fold.id), fold)
        ),
    ]


def _begins(recorded: Sequence[RecordedEvent], *kinds: type) -> bool:
    return bool(recorded) and isinstance(recorded[0].event, kinds)


async def _check_mails(db: Connection, batch: dict[UUID, list[RecordedEvent]]) -> list[Breach]:
    """S9 for mails; there are few beside runs, so each stream is asked for by itself."""
    breaches = []
    streams: dict[str, list[RecordedEvent]] = {}
    for recorded in batch.values():
        for item in recorded:
            if item.stream.startswith("mail-"):
                streams.setdefault(item.stream, []).append(item)
    for stream, items in streams.items():
        if await mail_projection.load_mails(db, stream_id(stream)) != fold_mails(items):
            breaches.append(Breach("S9", stream, "the rows of mails differ from the log"))
    return breaches
