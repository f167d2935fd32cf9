"""Moves of `wake_at`, and the mark `awaited`, that no event records.

`wake_at` is the time at which the scheduler looks at a job or a run next. Events set it through the projections. Each
function here, in `rate_wakeups` and in `queue_wakeups` moves it without an event, and says which process calls it and
why the move is no fact. `rebuild` keeps a moved time if the rest of the row agrees with the log.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from duebook_common.domain.job.admission import leaves_line
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection, rows_changed
from duebook_common.store.predicates import ACTIVE, MAY_START, WAITS_FOR_KEY, WAITS_FOR_KEY_AND_JOB, one_of
from duebook_common.store.rate_wakeups import wake_lines

_POSTPONE_JOBS = f"UPDATE jobs SET wake_at = $2 WHERE job_id {one_of('$1')} AND wake_at < $2"  # noqa: S608


async def postpone_jobs(db: Connection, job_ids: Sequence[UUID], until: datetime) -> None:
    """Look at these jobs again at `until` (UTC).

    The scheduler's dispatch calls it, under the jobs' locks, for jobs whose catch-up must pause because many of their
    runs are active. No event, because the occurrences stay due: nothing was decided about them.
    """
    if job_ids:
        await db.execute(_POSTPONE_JOBS, job_ids, until)


# SKIP LOCKED: a locked row is just being written, which moves its `wake_at` anyway. Waiting for it while holding other
# rows could deadlock with its writer.
_POSTPONE_RUNS = """
WITH postponed AS MATERIALIZED (
    SELECT runs.run_id, runs.version, postponed.wake_at
    FROM unnest($1::uuid[], $2::int[], $3::timestamptz[]) AS postponed (run_id, version, wake_at)
    JOIN runs USING (run_id, version)
    FOR UPDATE OF runs SKIP LOCKED
)
UPDATE runs SET wake_at = postponed.wake_at FROM postponed
WHERE runs.run_id = postponed.run_id AND runs.version = postponed.version
"""


async def postpone_runs(db: Connection, postponed: Sequence[tuple[Run, datetime]]) -> None:
    """Look at each run again at its time (UTC), unless it got an event since it was read.

    The scheduler's waker calls it for runs with a live lease, retries for which their queue has no capacity, runs whose
    message is still queued, and dead letters whose burial was sent again. No event, because nothing happened to them.
    """
    if postponed:
        rows = [(run.id, run.version, until) for run, until in postponed]
        await db.execute(_POSTPONE_RUNS, *zip(*rows, strict=True))


# A run that was woken since it was read has another `wake_at`; a locked row is just being woken. Both stay due.
_POSTPONE_WAITING = """
WITH postponed AS MATERIALIZED (
    SELECT runs.run_id, postponed.wake_at
    FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS postponed (run_id, seen, wake_at)
    JOIN runs USING (run_id)
    WHERE runs.wake_at = postponed.seen AND runs.status = 'waiting'
    FOR UPDATE OF runs SKIP LOCKED
)
UPDATE runs SET wake_at = postponed.wake_at FROM postponed WHERE runs.run_id = postponed.run_id
"""


class Waiting(Protocol):
    """A waiting run, or what was read of it."""

    @property
    def id(self) -> UUID: ...
    @property
    def wake_at(self) -> datetime | None: ...


async def postpone_waiting(db: Connection, postponed: Sequence[tuple[Waiting, datetime]]) -> None:
    """Look at each waiting run again at its time (UTC), unless it was woken since it was read.

    The scheduler's admission calls it, under the jobs' locks, for runs that must go on waiting, and under the lock of
    a rate's key for the first runs of its line, whose time it knows; its waker for those of a paused queue or of one
    without capacity. No event, because they wait as before.
    """
    if postponed:
        rows = [(run.id, run.wake_at, until) for run, until in postponed]
        await db.execute(_POSTPONE_WAITING, *zip(*rows, strict=True))


_MARK_BURIED = "UPDATE runs SET wake_at = NULL WHERE run_id = $1 AND status = 'dead_lettered' AND dispatch = $2"


async def mark_buried(db: Connection, run_id: UUID, dispatch: int) -> None:
    """Do not look at a dead letter again, unless it was dispatched again since.

    The executor calls it when it rejects the run's message, which RabbitMQ then moves to the dead-letter queue. No
    event, because the log says already that the run is dead-lettered.
    """
    await db.execute(_MARK_BURIED, run_id, dispatch)


# SKIP LOCKED: a locked row belongs to a run that is just ending, so it needs no mark.
_AWAIT = f"""
WITH active AS MATERIALIZED (
    SELECT run_id, awaited FROM runs WHERE run_id {one_of("$1")} AND {ACTIVE}
    FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE runs SET awaited = true FROM active WHERE runs.run_id = active.run_id AND NOT active.awaited
)
SELECT run_id FROM active
"""  # noqa: S608


async def await_runs(db: Connection, runs: Sequence[Run]) -> None:
    """Mark active runs as awaited: their end wakes the run that waits for it. If one is just ending, wake it now.

    `job_handling` calls it after a decision, under the jobs' locks. The mark is no event: it only says that
    the end wakes another run.
    """
    if runs:
        marked = {record["run_id"] for record in await db.fetch(_AWAIT, [run.id for run in runs])}
        await wake_waiting(db, [run for run in runs if run.id not in marked], deciding=True)


# One run per job: the first that waits. The runs behind it also wait for that one.
_WAKE_BY_JOB = """
WITH first AS MATERIALIZED (
    SELECT run_id FROM runs WHERE run_id = ANY(ARRAY(
        SELECT waiting.run_id FROM unnest($1::uuid[]) AS ended (job_id), LATERAL (
            SELECT run_id FROM runs WHERE status = 'waiting' AND NOT held AND runs.job_id = ended.job_id
            ORDER BY created_at, nominal_at LIMIT 1
        ) AS waiting
    ))
    ORDER BY run_id FOR UPDATE
)
UPDATE runs SET wake_at = clock_timestamp() FROM first WHERE runs.run_id = first.run_id AND runs.status = 'waiting'
"""


# One run per freed slot and three spares, because some may only be waiting to expire. Runs that wait for a run of their
# own job too are woken as well, in case that one has ended. Behind a thousand that may not start, as in a paused queue,
# others look for themselves, after a lease at the latest.
def _first_of_key(waits: str) -> str:
    return f"""(
            SELECT run_id FROM (
                SELECT * FROM runs WHERE concurrency_key = freed.key AND {waits}
                ORDER BY created_at, nominal_at LIMIT 1000
            ) AS runs
            WHERE {MAY_START} AND reason IS DISTINCT FROM 'task'
            ORDER BY created_at, nominal_at LIMIT freed.slots + 3
        )"""  # noqa: S608


_WAKE_BY_KEY = f"""
WITH first AS MATERIALIZED (
    SELECT run_id FROM runs WHERE run_id = ANY(ARRAY(
        SELECT waiting.run_id FROM unnest($1::text[], $2::int[]) AS freed (key, slots), LATERAL (
            {_first_of_key(WAITS_FOR_KEY)} UNION ALL {_first_of_key(WAITS_FOR_KEY_AND_JOB)}
        ) AS waiting
    ))
    ORDER BY run_id FOR UPDATE
)
UPDATE runs SET wake_at = clock_timestamp() FROM first WHERE runs.run_id = first.run_id AND runs.status = 'waiting'
"""  # noqa: S608


_WAKE_UNLOCKED_BY_JOB = _WAKE_BY_JOB.replace("FOR UPDATE", "FOR UPDATE SKIP LOCKED")
_WAKE_UNLOCKED_BY_KEY = _WAKE_BY_KEY.replace("FOR UPDATE", "FOR UPDATE SKIP LOCKED")


async def wake_waiting(db: Connection, ended: Sequence[Run], *, deciding: bool = False) -> None:
    """Look now at the first runs that wait for the end of these runs, for a slot of their concurrency keys, or in the
    lines of their rates, which those have left that end without a start.

    `run_handling` calls it right after the commit of an end, outside a transaction. `job_handling` calls it with
    `deciding`, in the transaction of a decision: that holds rows already, so it skips locked ones, because waiting for
    them could deadlock. No event, because only the scheduler's admission decides whether a waiting run is sent.
    """
    freed = Counter(run.concurrency.key for run in ended if run.concurrency is not None)
    if ended:
        statement = _WAKE_UNLOCKED_BY_JOB if deciding else _WAKE_BY_JOB
        await db.execute(statement, list({run.job_id for run in ended}))
    if freed:
        statement = _WAKE_UNLOCKED_BY_KEY if deciding else _WAKE_BY_KEY
        await db.execute(statement, list(freed), list(freed.values()))
    await wake_lines(db, {run.rate.key for run in ended if run.rate is not None and leaves_line(run)})


_WAKE_NOW = f"""
WITH waiting AS MATERIALIZED (
    SELECT run_id FROM runs WHERE run_id {one_of("$1")} ORDER BY run_id FOR UPDATE SKIP LOCKED
)
UPDATE runs SET wake_at = clock_timestamp()
FROM waiting WHERE runs.run_id = waiting.run_id AND runs.status = 'waiting' AND wake_at > clock_timestamp()
"""  # noqa: S608


async def wake_now(db: Connection, run_ids: Sequence[UUID]) -> None:
    """Look now at waiting runs whose turn it is, in the transaction of a decision: locked rows are just changing."""
    if run_ids:
        await db.execute(_WAKE_NOW, run_ids)


# Each batch finds the runs that were not moved yet, also those that are due: one that is just being postponed, because
# the executor was not registered yet, stays due then. No SKIP LOCKED for the same reason.
_WAKE_FOR_TASKS = """
WITH waiting AS MATERIALIZED (
    SELECT run_id FROM runs WHERE run_id = ANY(ARRAY(
        SELECT run_id FROM runs JOIN unnest($1::text[], $2::text[]) AS served (queue, task) USING (queue, task)
        WHERE runs.status = 'waiting' AND NOT held AND wake_at <> greatest($3::timestamptz, not_before) LIMIT $4
    ))
    ORDER BY run_id FOR UPDATE
)
UPDATE runs SET wake_at = greatest($3, not_before)
FROM waiting WHERE runs.run_id = waiting.run_id AND runs.status = 'waiting'
"""


async def wake_for_tasks(db: Connection, queues: Sequence[str], tasks: Sequence[str], at: datetime, limit: int) -> int:
    """Look from `at` (UTC) on at runs that wait for these pairs of queue and task; returns how many were moved.

    `executors` calls it when an executor has registered, with the same `at` until fewer than `limit` are moved. No
    event, because only the scheduler's admission decides whether a waiting run is sent.
    """
    return rows_changed(await db.execute(_WAKE_FOR_TASKS, queues, tasks, at, limit))


# No postponement is longer. A run that runs or waits is looked at again after a lease at the latest, any other one
# after an hour, because its message may be queued.
LONGEST_POSTPONEMENT_OF_JOB = timedelta(minutes=1)
BEYOND_POSTPONEMENT_OF_RUN = """
wake_at > clock_timestamp()
    + CASE WHEN status IN ('running', 'waiting') THEN interval '25 hours' ELSE interval '65 minutes' END
"""  # the longest lease is a day

# Each part reads an index of its own, in which few other rows are, from one end. It compares with `now()`, because an
# index cannot be searched by a clock that goes on during the statement.
_MEND_JOBS = """
WITH misplaced AS MATERIALIZED (
    SELECT job_id FROM jobs WHERE job_id = ANY(ARRAY(
        (SELECT job_id FROM jobs
         WHERE wake_at > coalesce(next_due_at, next_at) AND wake_at > now() + $1::interval
         ORDER BY wake_at LIMIT $2)
        UNION ALL
        (SELECT job_id FROM jobs WHERE wake_at IS NOT NULL AND status <> 'active' ORDER BY wake_at LIMIT $2)
    ))
    ORDER BY job_id FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET wake_at = CASE WHEN status = 'active' THEN coalesce(next_due_at, next_at) END FROM misplaced
WHERE jobs.job_id = misplaced.job_id RETURNING 'job-' || jobs.job_id AS stream
"""
_MEND_RUNS = f"""
WITH misplaced AS MATERIALIZED (
    SELECT run_id FROM runs WHERE run_id = ANY(ARRAY(
        (SELECT run_id FROM runs
         WHERE wake_at > planned_wake_at AND wake_at > now() + interval '65 minutes' AND {BEYOND_POSTPONEMENT_OF_RUN}
         ORDER BY wake_at DESC LIMIT $1)
        UNION ALL
        (SELECT run_id FROM runs WHERE wake_at IS NOT NULL AND planned_wake_at IS NULL ORDER BY wake_at LIMIT $1)
    ))
    ORDER BY run_id FOR UPDATE SKIP LOCKED
)
UPDATE runs SET wake_at = planned_wake_at FROM misplaced
WHERE runs.run_id = misplaced.run_id RETURNING 'run-' || runs.run_id AS stream
"""  # noqa: S608


async def mend_wakeups(db: Connection, limit: int) -> list[str]:
    """Set every `wake_at` that no postponement explains to what the log says; returns the streams of these rows.

    A loop of the scheduler calls it, because a statement of an operator, or a bug, may have moved them. No event,
    because the log says already when they are due.
    """
    jobs = await db.fetch(_MEND_JOBS, LONGEST_POSTPONEMENT_OF_JOB, limit)
    runs = await db.fetch(_MEND_RUNS, limit)
    return [record["stream"] for record in [*jobs, *runs]]
