"""Moves of `wake_at` by the pause and the resume of queues, that no event records (see `wakeups`)."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from duebook_common.store.database import Connection

# A run with dispatch number 0 was not sent: it is due, or jitter delays it.
_RECALL = """
WITH sent AS MATERIALIZED (
    SELECT run.run_id FROM unnest($1::text[]) AS paused (queue), LATERAL (
        SELECT run_id FROM runs WHERE status = 'dispatched' AND queue = paused.queue AND dispatch > 0 AND wake_at > $2
        ORDER BY run_id LIMIT $3 FOR UPDATE SKIP LOCKED
    ) AS run
), recalled AS (
    UPDATE runs SET wake_at = $2 FROM sent WHERE runs.run_id = sent.run_id AND runs.status = 'dispatched'
    RETURNING runs.queue
)
SELECT queue, count(*) AS runs FROM recalled GROUP BY queue
"""
LONGEST_WAIT_FOR_RESUME = timedelta(hours=1)


async def recall_dispatched(db: Connection, queues: Collection[str], at: datetime, limit: int) -> dict[str, int]:
    """Look from `at` (UTC) on at the runs of paused queues that were sent and not started; returns how many of each.

    The scheduler calls it once it sees a pause, until fewer than `limit` runs of the queue are moved. No event, because
    only the waker decides that such a run waits. A locked row is just being started, or is put back by the executor.
    """
    return {record["queue"]: record["runs"] for record in await db.fetch(_RECALL, list(queues), at, limit)}


# Those that sleep longest come first. Runs that are due, or will be within seconds, take places of the queue's batch:
# the others sleep on until these have been dealt with.
_WAKE_QUEUES = """
WITH awake AS MATERIALIZED (
    SELECT resumed.queue, resumed.until, (SELECT count(*) FROM (
        SELECT FROM runs WHERE status = 'waiting' AND queue = resumed.queue
          AND wake_at <= $3::timestamptz + interval '10 seconds' LIMIT $4
    ) AS due) AS runs
    FROM unnest($1::text[], $2::timestamptz[]) AS resumed (queue, until)
), asleep AS MATERIALIZED (
    SELECT run.run_id FROM awake, LATERAL (
        SELECT run_id FROM runs
        WHERE status = 'waiting' AND queue = awake.queue AND NOT held
          AND wake_at > $3 AND wake_at <= awake.until AND wake_at > greatest($3, not_before)
        ORDER BY wake_at DESC LIMIT $4 - awake.runs
    ) AS run
), waiting AS MATERIALIZED (
    SELECT run_id, queue, wake_at FROM runs WHERE run_id = ANY(ARRAY(SELECT run_id FROM asleep))
    ORDER BY run_id FOR UPDATE
), woken AS (
    UPDATE runs SET wake_at = greatest($3, not_before)
    FROM waiting WHERE runs.run_id = waiting.run_id AND runs.status = 'waiting'
)
SELECT awake.queue, awake.runs AS awake, count(waiting.run_id) AS runs, min(waiting.wake_at) AS until
FROM awake LEFT JOIN waiting USING (queue) GROUP BY awake.queue, awake.runs
"""


async def wake_queues(
    db: Connection, queues: Mapping[str, datetime], at: datetime, limit: int
) -> tuple[int, dict[str, datetime]]:
    """Look from `at` (UTC) on at waiting runs of resumed queues that would be looked at later, until then at most.

    Returns how many were moved, and the queues of the next call with their times; a queue that needs none is left out.
    At most `limit` runs of a queue are awake, or about to be, so that the rest costs nothing while the queue has no
    capacity. A time only decreases: a run that must go on waiting is not woken again.

    The scheduler calls it in each pass once it sees a resume. No event, because only its admission decides whether a
    waiting run is sent.
    """
    records = await db.fetch(_WAKE_QUEUES, list(queues), list(queues.values()), at, limit)
    left = {
        record["queue"]: record["until"] or queues[record["queue"]]
        for record in records
        if record["runs"] + record["awake"] >= limit
    }
    return sum(record["runs"] for record in records), left
