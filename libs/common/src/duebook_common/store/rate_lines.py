"""The lines of runs that wait for rates, as they stand in the database. Exact while their keys are locked."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from duebook_common.domain.definition import Rate
from duebook_common.domain.job.rates import KeyStarts, deciding_number, numbers_wanted
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_common.store.executors import QueueTask
from duebook_common.store.predicates import IS_FREE, has_no_pause
from duebook_common.store.waiting_runs import WAITING_COLUMNS, WaitingRunRow, waiting_run_of

POSITIONS = 200  # of each line that are read: the runs behind them are postponed together
Served = Callable[[Collection[QueueTask]], Awaitable[Collection[QueueTask]]]

_FRESH = timedelta(seconds=5)
_ROUNDS = 5

# Runs that also wait for another run or for a concurrency key join the line only when they are due: they may have to
# wait longer for that. A run that was due for seconds and is still here cannot be sent for a reason of its own.
_IN_LINE = """rate_key IS NOT NULL AND status = 'waiting' AND reason IS DISTINCT FROM 'overlap'
          AND concurrency_key IS NULL"""

# Each line has a part for each queue, so that paused queues are left out without a look at their runs.
_LINE = f"""
WITH RECURSIVE parts AS (
    SELECT wanted.rate_key, first.queue FROM unnest($1::text[]) AS wanted (rate_key), LATERAL (
        SELECT queue FROM runs WHERE runs.rate_key = wanted.rate_key AND {_IN_LINE} ORDER BY queue LIMIT 1
    ) AS first
    UNION ALL
    SELECT parts.rate_key, next.queue FROM parts, LATERAL (
        SELECT queue FROM runs WHERE runs.rate_key = parts.rate_key AND queue > parts.queue AND {_IN_LINE}
        ORDER BY queue LIMIT 1
    ) AS next
), free AS MATERIALIZED (
    SELECT * FROM parts WHERE {has_no_pause("parts.queue")}
)
SELECT line.* FROM unnest($1::text[]) AS wanted (rate_key), LATERAL (
    SELECT first.* FROM free, LATERAL (
        SELECT {WAITING_COLUMNS} FROM runs
        WHERE runs.rate_key = free.rate_key AND runs.queue = free.queue AND {_IN_LINE} AND {IS_FREE}
          AND due_at <= $4 AND wake_at > $4::timestamptz - interval '5 seconds'
          AND (start_by IS NULL OR attempt > 0 OR start_by >= $4)
          AND queue || E'\n' || task <> ALL($2::text[])
        ORDER BY (trigger = 'backfill'), created_at, nominal_at, run_id LIMIT $3
    ) AS first
    WHERE free.rate_key = wanted.rate_key
    ORDER BY (trigger = 'backfill'), created_at, nominal_at, run_id LIMIT $3
) AS line
"""  # noqa: S608

_STARTS = """
SELECT wanted.rate_key,
    coalesce((SELECT max(number) FROM rate_starts WHERE rate_starts.rate_key = wanted.rate_key), 0) AS last,
    sent.fresh, sent.stale
FROM unnest($1::text[]) AS wanted (rate_key), LATERAL (
    SELECT count(*) FILTER (WHERE dispatched_at > $2) AS fresh, count(*) FILTER (WHERE dispatched_at <= $2) AS stale
    FROM runs WHERE runs.rate_key = wanted.rate_key AND rate_key IS NOT NULL AND status = 'dispatched'
) AS sent
"""

_TIMES = """
SELECT rate_key, number, started_at
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS wanted (rate_key, first, last) JOIN rate_starts USING (rate_key)
WHERE number BETWEEN wanted.first AND wanted.last
"""


async def load_line(db: Connection, keys: Sequence[str], served: Served, now: datetime) -> list[WaitingRunRow]:
    """The first runs in the lines of these keys that could start, but for their rate.

    `served` says which of some pairs of queue and task have an executor: a run without one keeps no other waiting.
    """
    missing, line = set[QueueTask](), list[WaitingRunRow]()
    for _ in range(_ROUNDS if keys else 0):
        left_out = [f"{queue}\n{task}" for queue, task in missing]
        line = [waiting_run_of(record) for record in await db.fetch(_LINE, keys, left_out, POSITIONS, now)]
        pairs = {(run.queue, run.task) for run in line}
        without = pairs - set(await served(pairs)) if pairs else set()
        if not without:
            break
        missing |= without
        line = [run for run in line if (run.queue, run.task) not in missing]
    return line


async def load_starts(
    db: Connection, keys: Sequence[str], line: Iterable[WaitingRunRow | Run], now: datetime
) -> Mapping[str, KeyStarts]:
    """The starts of these keys, with the times that decide about the runs of the line."""
    if not keys:
        return {}
    starts = {
        record["rate_key"]: KeyStarts(record["last"], record["fresh"], record["stale"])
        for record in await db.fetch(_STARTS, keys, now - _FRESH)
    }
    limits = defaultdict[str, list[int]](list)
    for run in line:
        if run.rate is not None:
            limits[run.rate.key].append(run.rate.limit)
    wanted = [
        (key, *range_)
        for key, of_key in limits.items()
        if key in starts
        for range_ in numbers_wanted(starts[key], len(of_key), of_key)
    ]
    times = defaultdict[str, dict[int, datetime]](dict)
    for record in await db.fetch(_TIMES, *zip(*wanted, strict=True)) if wanted else []:
        times[record["rate_key"]][record["number"]] = record["started_at"]
    return {key: replace(of_key, times=times[key]) for key, of_key in starts.items()}


_STARTED = "SELECT count(*) FROM rate_starts WHERE rate_key = $1 AND number > $2 AND started_at > $3"


async def starts_ahead(db: Connection, rate: Rate, ahead: int, now: datetime) -> tuple[KeyStarts, int]:
    """What decides about a run with so many ahead of it, and how many attempts have started in the last span."""
    [record] = await db.fetch(_STARTS, [rate.key], now - _FRESH)
    starts = KeyStarts(record["last"], record["fresh"], record["stale"])
    before = deciding_number(starts, rate, ahead)
    number = before if before <= starts.last else starts.last - (starts.last - before) % rate.limit
    times = {r["number"]: r["started_at"] for r in await db.fetch(_TIMES, [rate.key], [number], [number])}
    started: int = await db.fetchval(_STARTED, rate.key, starts.last - rate.limit, now - rate.per)
    return replace(starts, times=times), started
