"""Runs that wait for other runs: who is awaited, who is woken, and how full a concurrency key is.

None of it is a fact, so none of it is an event: `awaited` marks a run whose end must wake somebody, and what is woken
is only looked at again. A run that waits is let go by the scheduler alone, under the locks of its job and of its key.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Connection

# Whoever holds a row that is wanted here is ending its run at this moment: no use in waiting for that.
_AWAIT = """
WITH under_way AS MATERIALIZED (
    SELECT run_id, awaited FROM runs
    WHERE run_id = ANY($1::uuid[]) AND wake_at IS NOT NULL AND status <> 'dead_lettered'
    FOR UPDATE SKIP LOCKED
), marked AS (
    UPDATE runs SET awaited = true FROM under_way WHERE runs.run_id = under_way.run_id AND NOT under_way.awaited
)
SELECT run_id FROM under_way
"""

# As many as places became free, and a few more: one may wait for its `start_within` only. Who waits for a run of its
# own job besides is woken by that, and here too, in case it waits no longer.
_WAKE = """
WITH first AS MATERIALIZED (
    SELECT run_id FROM runs WHERE run_id IN (
        SELECT w.run_id FROM unnest($1::uuid[]) AS ended (job_id), LATERAL (
            SELECT run_id FROM runs WHERE status = 'waiting' AND runs.job_id = ended.job_id
            ORDER BY created_at, nominal_at LIMIT 1
        ) AS w
        UNION ALL
        SELECT w.run_id
        FROM unnest($2::text[], $3::int[]) AS freed (key, places), unnest('{{t,f}}'::bool[]) AS of (runs), LATERAL (
            SELECT run_id FROM runs
            WHERE concurrency_key = freed.key AND concurrency_key IS NOT NULL AND wake_at IS NOT NULL
              AND status = 'waiting' AND (reason IS NOT DISTINCT FROM 'overlap') = of.runs
            ORDER BY created_at, nominal_at LIMIT freed.places + 3
        ) AS w
    )
    ORDER BY run_id FOR UPDATE {locked}
)
UPDATE runs SET wake_at = clock_timestamp() FROM first WHERE runs.run_id = first.run_id AND runs.status = 'waiting'
"""
_WAKE_ALL, _WAKE_FREE = _WAKE.format(locked=""), _WAKE.format(locked="SKIP LOCKED")

_KEYS = """
SELECT DISTINCT concurrency_key FROM runs
WHERE status = 'waiting' AND job_id = ANY($1::uuid[]) AND concurrency_key IS NOT NULL
"""

_HOLDERS = """
SELECT concurrency_key, count(*) AS holders FROM runs
WHERE concurrency_key = ANY($1::text[]) AND concurrency_key IS NOT NULL AND wake_at IS NOT NULL
  AND status NOT IN ('waiting', 'dead_lettered')
GROUP BY concurrency_key
"""


def blocking(active: Iterable[Run]) -> list[Run]:
    """The runs that must be awaited, given a job's active ones: all that are under way, if any waits for them."""
    runs = list(active)
    waits = any(run.status is RunStatus.WAITING and run.reason == "overlap" for run in runs)
    return [run for run in runs if run.status is not RunStatus.WAITING] if waits else []


async def await_runs(db: Connection, runs: Sequence[Run]) -> None:
    """Mark runs under way, so that their end wakes who waits for it; where one is just ending, that is now."""
    if runs:
        marked = {record["run_id"] for record in await db.fetch(_AWAIT, [run.id for run in runs])}
        await wake_waiting(db, [run for run in runs if run.id not in marked], deciding=True)


async def wake_waiting(db: Connection, ended: Sequence[Run], *, deciding: bool = False) -> None:
    """Have those looked at again that may have waited for the end of these runs, or for their keys.

    Whoever is `deciding` holds rows himself, so he must not wait for others': those are being decided too.
    """
    if ended:
        freed = Counter(run.concurrency.key for run in ended if run.concurrency is not None)
        jobs = list({run.job_id for run in ended})
        await db.execute(_WAKE_FREE if deciding else _WAKE_ALL, jobs, list(freed), list(freed.values()))


async def keys_of_waiting(db: Connection, job_ids: Sequence[UUID]) -> list[str]:
    """The keys of all runs of these jobs that wait; nobody adds one while the jobs are locked."""
    return [record["concurrency_key"] for record in await db.fetch(_KEYS, job_ids)]


async def key_holders(db: Connection, keys: Iterable[str]) -> Mapping[str, int]:
    """How many runs hold each key: those that started, or may start at any moment, retries ahead included."""
    wanted = list(keys)
    records = await db.fetch(_HOLDERS, wanted) if wanted else []
    return dict.fromkeys(wanted, 0) | {record["concurrency_key"]: record["holders"] for record in records}
