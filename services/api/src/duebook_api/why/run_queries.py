"""What the explanation of a run reads besides the run's own events. Only a few runs are read, the oldest first."""

from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_api.why.facts import MOST_AHEAD, ConcurrencySlots, QueuePosition, RatePosition
from duebook_common.domain.job.rates import admission_order, expected_at
from duebook_common.domain.run import events
from duebook_common.domain.run.events import BY_SCHEDULE, RunSkipped, Trigger
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import RecordedEvent, read
from duebook_common.store.predicates import ACTIVE, HOLDS_KEY, WAITS_FOR_KEY, WAITS_FOR_KEY_AND_JOB
from duebook_common.store.rate_lines import starts_ahead
from duebook_common.store.replay import fold_run
from duebook_common.store.rows import run_of

_MAX_RUNS = 5

# Candidates only: their own events decide, by the order of the log. Clocks of different processes differ, so a run may
# have finished up to a second before the other was created and still precede its end in the log.
_POSSIBLY_MET = """
SELECT run_id FROM (
    SELECT run_id, created_at, nominal_at, wake_at, finished_at FROM runs
    WHERE job_id = $1 AND created_at <= $2 AND trigger <> ALL($5) ORDER BY created_at DESC, run_id DESC LIMIT 10000
) AS latest
WHERE run_id <> $3 AND (wake_at IS NOT NULL OR finished_at >= $2 - interval '1 second')
ORDER BY created_at, nominal_at LIMIT $4
"""


async def met_runs(db: Connection, run: Run, first: RecordedEvent) -> list[Run]:
    """The other runs of the job that were active when this one was created, as they were then.

    An occurrence is never skipped because of a caught-up run, so those are left out if it was skipped.
    """
    left_out = run.trigger in BY_SCHEDULE and isinstance(first.event, RunSkipped)
    ignored = [Trigger.CATCH_UP] if left_out else []
    met = []
    for record in await db.fetch(_POSSIBLY_MET, run.job_id, run.created_at, run.id, _MAX_RUNS, ignored):
        recorded = await read(db, events.stream(record["run_id"]))
        past = [item for item in recorded if (item.xid, item.position) < (first.xid, first.position)]
        if past and (other := fold_run(past)).active:
            met.append(other)
    return met


_BULK_REASON = "SELECT reason FROM bulk_operations WHERE bulk_id = $1"
_JOB_NAME = "SELECT job_name FROM runs WHERE run_id = $1"
_RERUNS = "SELECT * FROM runs WHERE cause = $1 ORDER BY created_at, nominal_at, run_id LIMIT $2"


async def bulk_reason(db: Connection, run: Run) -> str | None:
    """The reason of the bulk operation that triggered the run, if one did."""
    reason: str | None = await db.fetchval(_BULK_REASON, run.cause) if run.cause is not None else None
    return reason


async def causing_job(db: Connection, run: Run) -> str | None:
    """The name of the job whose run triggered this one by its end, if one did."""
    name: str | None = await db.fetchval(_JOB_NAME, run.cause) if run.trigger is Trigger.FOLLOW_UP else None
    return name


async def reruns(db: Connection, run_id: UUID) -> list[Run]:
    """The first runs that repeat or follow this one."""
    return await _runs(db, _RERUNS, run_id, _MAX_RUNS)


_BLOCKERS = f"""
SELECT * FROM runs
WHERE job_id = $1 AND run_id <> $2 AND {ACTIVE}
  AND (status <> 'waiting' OR ((trigger = 'backfill'), created_at, nominal_at, run_id) < ($3, $4, $5, $2))
ORDER BY status = 'waiting', created_at, nominal_at LIMIT $6
"""  # noqa: S608


async def blocking_runs(db: Connection, run: Run) -> list[Run]:
    """The runs of the job that must end before this one starts, those that do not wait first."""
    is_backfill = run.trigger is Trigger.BACKFILL
    return await _runs(db, _BLOCKERS, run.job_id, run.id, is_backfill, run.created_at, run.nominal_at, _MAX_RUNS)


# A million runs may wait for a key, as in the line of a rate: no more are counted than one more than an answer names.
_AHEAD_FOR_KEY = " UNION ALL ".join(
    f"""(
        SELECT 1 FROM runs WHERE concurrency_key = $1 AND {waits} AND (created_at, nominal_at, run_id) < ($2, $3, $4)
        LIMIT {MOST_AHEAD + 1}
    )"""  # noqa: S608
    for waits in (WAITS_FOR_KEY, WAITS_FOR_KEY_AND_JOB)
)
_SLOTS = f"""
SELECT (SELECT count(*) FROM runs WHERE concurrency_key = $1 AND {HOLDS_KEY}) AS taken,
       (SELECT count(*) FROM ({_AHEAD_FOR_KEY} LIMIT {MOST_AHEAD + 1}) AS ahead) AS ahead
"""  # noqa: S608
_HOLDERS = f"""
SELECT * FROM runs WHERE concurrency_key = $1 AND {HOLDS_KEY}
ORDER BY created_at, nominal_at LIMIT $2
"""  # noqa: S608


async def concurrency_slots(db: Connection, run: Run) -> ConcurrencySlots:
    """The slots of the run's concurrency key, which it must have."""
    assert run.concurrency is not None
    key = run.concurrency.key
    counts: Any = await db.fetchrow(_SLOTS, key, run.created_at, run.nominal_at, run.id)
    return ConcurrencySlots(**counts, holders=await _runs(db, _HOLDERS, key, _MAX_RUNS))


_AHEAD_IN_LINE = f"""
SELECT count(*) FROM (
    SELECT FROM runs WHERE rate_key = $1 AND rate_key IS NOT NULL AND status = 'waiting'
      AND ((trigger = 'backfill'), created_at, nominal_at, run_id) < ($2, $3, $4, $5)
    LIMIT {MOST_AHEAD + 1}
) AS ahead
"""  # noqa: S608


async def rate_position(db: Connection, run: Run, now: datetime) -> RatePosition:
    """The position of a waiting run in the line of its rate, which it must have."""
    assert run.rate is not None
    rate = run.rate
    ahead = await db.fetchval(_AHEAD_IN_LINE, rate.key, *admission_order(run))
    starts, started = await starts_ahead(db, rate, ahead, now)
    sent, at = starts.fresh + starts.stale, expected_at(starts, rate, ahead, now)
    return RatePosition(ahead=ahead, started=started, sent=sent, expected_at=at)


_QUEUE_POSITION = """
SELECT
    (SELECT count(*) FROM runs WHERE queue = $1 AND status = 'dispatched'
     AND (dispatched_at, -priority, due_at, run_id) < ($2, -$3::int, $4, $5)) AS ahead,
    (SELECT count(*) FROM (
        SELECT status FROM runs WHERE queue = $1 AND wake_at IS NOT NULL LIMIT 50000
     ) AS active WHERE status = 'running') AS running,
    (SELECT max(started_at) FROM (
        SELECT queue, started_at FROM runs ORDER BY created_at DESC, run_id DESC LIMIT 2000
     ) AS latest WHERE queue = $1) AS last_start
"""


async def queue_position(db: Connection, run: Run) -> QueuePosition:
    """The position of a dispatched run in its queue."""
    order = run.dispatched_at, run.priority, run.due_at, run.id
    position: Any = await db.fetchrow(_QUEUE_POSITION, run.queue, *order)
    return QueuePosition(**position)


async def _runs(db: Connection, query: str, *arguments: Any) -> list[Run]:
    return [run_of(record) for record in await db.fetch(query, *arguments)]
