"""Moves of `wake_at` by the pause and the resume of a queue, that no event records (see `wakeups`)."""

from datetime import datetime, timedelta

from duebook_common.store.database import Connection

# A run with dispatch number 0 was not sent: it is due, or jitter delays it.
_RECALL = """
WITH sent AS MATERIALIZED (
    SELECT run_id FROM runs WHERE status = 'dispatched' AND queue = $1 AND dispatch > 0 AND wake_at > $2
    ORDER BY run_id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE runs SET wake_at = $2 FROM sent WHERE runs.run_id = sent.run_id AND runs.status = 'dispatched'
"""
LONGEST_WAIT_FOR_RESUME = timedelta(hours=1)


async def recall_dispatched(db: Connection, queue: str, at: datetime, limit: int) -> int:
    """Look from `at` (UTC) on at the runs of a paused queue that were sent and not started; returns how many.

    The scheduler calls it once it sees the pause, until fewer than `limit` are moved. No event, because only the waker
    decides that such a run waits. A locked row is just being started, or is put back by the executor.
    """
    return int((await db.execute(_RECALL, queue, at, limit)).rpartition(" ")[2])


# Those that sleep longest come first. Runs that are due, or will be within seconds, take places of the batch: the
# others sleep on until these have been dealt with.
_WAKE_QUEUE = """
WITH awake AS (
    SELECT count(*) AS runs FROM (
        SELECT FROM runs WHERE status = 'waiting' AND queue = $1
          AND wake_at <= $2::timestamptz + interval '10 seconds' LIMIT $4
    ) AS due
), waiting AS MATERIALIZED (
    SELECT run_id, wake_at FROM runs WHERE run_id = ANY(ARRAY(
        SELECT run_id FROM runs
        WHERE status = 'waiting' AND queue = $1 AND NOT held
          AND wake_at > $2 AND wake_at <= $3 AND wake_at > greatest($2, not_before)
        ORDER BY wake_at DESC LIMIT (SELECT $4 - runs FROM awake)
    ))
    ORDER BY run_id FOR UPDATE
), woken AS (
    UPDATE runs SET wake_at = greatest($2, not_before)
    FROM waiting WHERE runs.run_id = waiting.run_id AND runs.status = 'waiting'
)
SELECT count(*) AS runs, min(wake_at) AS until, (SELECT runs FROM awake) AS awake FROM waiting
"""


async def wake_queue(db: Connection, queue: str, at: datetime, until: datetime, limit: int) -> tuple[int, datetime]:
    """Look from `at` (UTC) on at waiting runs of a resumed queue that would be looked at later, `until` then at most.

    Returns how many were moved, and the `until` of the next call; none is needed if that is `at`. At most `limit` runs
    are awake, or about to be, so that the rest costs nothing while the queue has no capacity. `until` only decreases:
    a run that must go on waiting is not woken again.

    The scheduler calls it in each pass once it sees the resume. No event, because only its admission decides whether a
    waiting run is sent.
    """
    record = await db.fetchrow(_WAKE_QUEUE, queue, at, until, limit)
    assert record is not None
    if record["runs"] + record["awake"] < limit:
        return record["runs"], at
    return record["runs"], record["until"] or until
