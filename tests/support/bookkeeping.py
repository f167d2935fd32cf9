"""Jobs and runs in a real database, and the check that the read models agree with the log."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from duebook_common.domain import mail as mail_domain
from duebook_common.domain.definition import Backoff, Definition, Overlap
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.commands import DecisionContext, Dispatch, TriggerRun
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.domain.mail import Mail, MailDigested, MailFailed, MailHeld, MailSent
from duebook_common.domain.run import evolve as run_domain
from duebook_common.domain.run.commands import RunCommand, StartAttempt
from duebook_common.domain.run.events import FirstEvent
from duebook_common.domain.run.state import ENDED, Run, RunStatus
from duebook_common.store import mail_projection
from duebook_common.store.actor import Actor
from duebook_common.store.database import Connection, Pool, connect
from duebook_common.store.eventstore import RecordedEvent
from duebook_common.store.job_handling import create_jobs, handle_job
from duebook_common.store.rows import load_jobs, load_runs
from duebook_common.store.run_handling import CommandResult, RunWork, handle_runs
from support.samples import MINUTE

ACTOR = Actor("test")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)

_LOG = """
SELECT xid, position, stream, version, id, type, data, meta, job_id, recorded_at FROM events
WHERE $1::uuid[] IS NULL OR job_id = ANY($1) ORDER BY xid, position
"""

_SERVE = "INSERT INTO executors (executor, queues, tasks, seen_at) VALUES ($1, $2, $3, 'infinity')"


def definition(**changes: Any) -> Definition:
    """A one-off job that is due, with retries that do not vary."""
    return replace(Definition(name="report", scheduled_at=NOW, backoff=Backoff(jitter=0)), **changes)


def context(now: datetime = NOW) -> DecisionContext:
    return DecisionContext(now=now, misfire=MINUTE, look_again_after=MINUTE, dispatch=1)


async def serve(pool: Pool, queue: str = "default", task: str = "log") -> None:
    """An executor, which never stops, has this task."""
    await pool.execute(_SERVE, f"executor of {queue} {task}", [queue], [task])


def dispatch(now: datetime = NOW) -> Dispatch:
    """Decide all that is due."""
    return Dispatch(context(now))


def trigger(overlap: Overlap = Overlap.SKIP, run_id: UUID | None = None) -> TriggerRun:
    """Start a run by hand."""
    return TriggerRun(run_id or uuid4(), overlap, context())


async def created(pool: Pool, job_id: UUID | None = None, **changes: Any) -> UUID:
    job_id = job_id or uuid4()
    assert await create_jobs(pool, {job_id: job_decide.create(job_id, definition(**changes), NOW)}, ACTOR)
    return job_id


async def dispatched(pool: Pool, **changes: Any) -> Run:
    """A dispatched run that has not started."""
    result = await handle_job(pool, await created(pool, **changes), dispatch(), ACTOR)
    assert result is not None
    return result.runs[0]


async def do(pool: Pool, run: Run, command: RunCommand) -> CommandResult:
    (decided,) = await handle_runs(pool, [RunWork(run.id, command)], ACTOR)
    return decided


def start(run: Run, now: datetime = NOW) -> StartAttempt:
    return StartAttempt(run.dispatch, "executor", MINUTE, now)


async def started(pool: Pool, **changes: Any) -> Run:
    """A run whose first attempt is running."""
    run = await dispatched(pool, **changes)
    decided = await do(pool, run, start(run))
    assert decided.run is not None
    return decided.run


async def log(db: Connection | Pool, job_ids: Iterable[UUID] | None = None) -> list[RecordedEvent]:
    """All committed events, or those of these jobs, also above the transaction horizon."""
    found = await db.fetch(_LOG, None if job_ids is None else list(job_ids))
    return [RecordedEvent(**record) for record in found]


def fold(events: Sequence[RecordedEvent]) -> tuple[dict[UUID, Job], dict[UUID, Run], dict[tuple[UUID, str, str], Mail]]:
    """The states of all jobs, runs and mails, folded from their events."""
    jobs, runs, mails = dict[UUID, Job](), dict[UUID, Run](), dict[tuple[UUID, str, str], Mail]()
    for recorded in events:
        if recorded.job_id is None:
            continue  # `verify` compares the pauses of queues with their rows
        event, own_id, job_id = recorded.event, UUID(recorded.stream[-36:]), recorded.job_id
        if isinstance(event, MailSent | MailFailed | MailHeld | MailDigested):
            key = (own_id, event.outcome, event.recipient)
            if not event.recipient:
                continue  # its contents were erased
            mails[key] = mail_domain.evolve(mails.get(key), own_id, job_id, recorded.version, event)
        elif isinstance(event, JobCreated):
            jobs[own_id] = job_state.opened(own_id, event)
        elif isinstance(event, FirstEvent):
            runs[own_id] = run_domain.opened(own_id, event)
            jobs[job_id] = job_state.evolve(jobs[job_id], event)
        elif recorded.stream.startswith("run-"):
            runs[own_id] = run_domain.evolve(runs[own_id], event)  # type: ignore[arg-type]
        else:
            jobs[own_id] = job_state.evolve(jobs[own_id], event)  # type: ignore[arg-type]
    return jobs, runs, mails


_COLUMNS = "SELECT job_id, name, task, queue, priority, tags, wake_at FROM jobs WHERE job_id = ANY($1)"
_RUN_IDS = "SELECT run_id FROM runs WHERE job_id = ANY($1)"
_MAILS = "SELECT * FROM mails WHERE job_id = ANY($1)"


class LogAndRows(NamedTuple):
    """What the log and the read models say alike."""

    events: list[RecordedEvent]
    jobs: dict[UUID, Job]
    runs: dict[UUID, Run]


async def check_invariants(pool: Pool, job_ids: set[UUID] | None = None) -> LogAndRows:
    """Every row of the read models is the fold of its stream, and the streams have no gaps."""
    async with pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
        events = await log(db, job_ids)
        ids = list({event.job_id for event in events if event.job_id is not None})
        run_ids = [record["run_id"] for record in await db.fetch(_RUN_IDS, ids)]
        job_rows, run_rows = await load_jobs(db, ids), await load_runs(db, run_ids)
        columns, mail_rows = await db.fetch(_COLUMNS, ids), await db.fetch(_MAILS, ids)
        versions = await versions_of(db, {event.stream for event in events})
    jobs, runs, mails = fold(events)
    assert job_rows == jobs
    assert {row["job_id"]: _without_postponement(row, jobs) for row in columns} == {
        job.id: _columns(job) for job in jobs.values()
    }
    assert {run_id: _without_wakeup(row, runs.get(run_id)) for run_id, row in run_rows.items()} == runs
    assert {(m["run_id"], m["outcome"], m["recipient"]): mail_projection.mail_of(m) for m in mail_rows} == mails
    _check_log(events, versions)
    for run in runs.values():
        assert run.wake_at is not None or run.status in ENDED
    return LogAndRows(events, jobs, runs)


def _columns(job: Job) -> tuple[Any, ...]:
    """The fields of the definition that have a column of their own, and `wake_at`."""
    d = job.definition
    return job.id, d.name, d.task, d.queue, d.priority, list(d.tags), job.wake_at


def _without_postponement(row: Any, jobs: Mapping[UUID, Job]) -> tuple[Any, ...]:
    """A row of `jobs` as its events have it: `wake_at` may have been postponed without an event."""
    *fields, wake_at = row
    due_at = jobs[row["job_id"]].wake_at
    return *fields, due_at if wake_at is not None and due_at is not None and wake_at > due_at else wake_at


def _without_wakeup(row: Run, run: Run | None) -> Run:
    """A row of `runs` as its events have it: a waiting run may have been woken without an event."""
    if run is None or row.status is not RunStatus.WAITING or row.wake_at is None:
        return row
    return replace(row, wake_at=run.wake_at)


_VERSIONS = "SELECT stream, max(version) AS version FROM events WHERE stream = ANY($1) GROUP BY stream"


async def versions_of(db: Connection | Pool, streams: Iterable[str]) -> dict[str, int]:
    """The version of each stream."""
    found = await db.fetch(_VERSIONS, list(streams))
    return {record["stream"]: record["version"] for record in found}


def by_stream(events: Sequence[RecordedEvent]) -> dict[str, list[RecordedEvent]]:
    streams: dict[str, list[RecordedEvent]] = {}
    for recorded in events:
        streams.setdefault(recorded.stream, []).append(recorded)
    return streams


def _check_log(events: Sequence[RecordedEvent], versions: Mapping[str, int]) -> None:
    for stream, history in by_stream(events).items():
        assert [recorded.version for recorded in history] == list(range(1, versions[stream] + 1)), stream
        times = [recorded.recorded_at for recorded in history]
        assert times == sorted(times), stream
        if stream.startswith("run-"):
            _check_attempts([recorded.type for recorded in history], [recorded.data for recorded in history])


_OUTCOMES = {"AttemptSucceeded", "AttemptFailed", "AttemptLost", "AttemptReleased"}
_ENDS = {"AttemptSucceeded", "RunSkipped", "RunExpired", "RunCancelled", "RunDiscarded"}


def _check_attempts(types: Sequence[str], facts: Sequence[Any]) -> None:
    """One active attempt at a time, at most one outcome for each, and nothing but an erasure after an end."""
    active, latest = None, 0
    for type_, fact in zip(types, facts, strict=True):
        if type_ == "AttemptStarted":
            assert active is None
            assert fact["attempt"] > latest
            active = latest = fact["attempt"]
        elif type_ in _OUTCOMES or (type_ == "RunCancelled" and active is not None):
            assert fact["attempt"] == active
            active = None
    until_erasure = types[:-1] if types[-1] == "RunErased" else types
    assert not _ENDS & set(until_erasure[:-1])


def meanwhile(url: str, work: Callable[[Pool], Coroutine[Any, Any, object]]) -> None:
    """Do other work now, in a thread with its own event loop, while the caller is in the middle of its own."""

    async def elsewhere() -> None:
        async with connect(url, "elsewhere") as pool:
            await work(pool)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(elsewhere())).result()


async def eventually(fact: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Wait until the fact holds. Transactions of other tests may hold back the horizon of the shared server."""
    async with asyncio.timeout(seconds):
        while not await fact():
            await asyncio.sleep(0.01)


_PAST_HORIZON = "SELECT coalesce(max(xid) < pg_snapshot_xmin(pg_current_snapshot()), true) FROM events"


async def past_horizon(pool: Pool) -> None:
    """Wait until each event that is committed can be read from the log."""

    async def passed() -> bool:
        return bool(await pool.fetchval(_PAST_HORIZON))

    await eventually(passed)


_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'
"""


async def waiting(pool: Pool, task: "asyncio.Task[Any]", count: int = 1) -> None:
    """Wait until `count` statements wait for a lock, or the task ends without one."""

    async def fact() -> bool:
        return task.done() or bool(await pool.fetchval(_WAITING) >= count)

    await eventually(fact)


async def grow_mails(pool: Pool, count: int) -> None:
    """So many mails, all sent to two recipients but for a few that were given up."""
    await pool.execute(
        """INSERT INTO mails
           SELECT gen_random_uuid(), 'succeeded-3', CASE WHEN n % 2 = 0 THEN 'a@example.com' ELSE 'b@example.com' END,
                  gen_random_uuid(), 1, CASE WHEN n % 1000 = 0 THEN 'given_up' ELSE 'sent' END, 'id', 1, NULL, NULL,
                  now() - n * interval '1 second'
           FROM generate_series(1, $1) AS n""",
        count,
    )
    await pool.execute("VACUUM ANALYZE mails")
