"""The statistics: a read model that a subscriber of the log keeps, each batch with its checkpoint in one transaction.

So each event counts once, whatever is killed when. What a batch adds follows from the log, and so do the keys.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from duebook_common.domain.statistics import (
    BUCKETS_PER_DECADE,
    HOUR,
    JOBS_KEPT,
    KEPT,
    LAST_BUCKET,
    MOST_KEYS,
    OTHER,
    OUTCOMES,
    Dimension,
    Facts,
    Group,
    Rollup,
    StepKey,
    admit,
    merge_unknown,
    roll_up,
)
from duebook_common.store.checkpoints import claim, forget_checkpoint, move_checkpoint, wait_for_claim
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import HORIZON
from duebook_common.store.log_pulse import LogPulse

SUBSCRIBER = "statistics"
BATCH = 2_500  # events that count

_OUTCOMES = {
    "AttemptSucceeded": "succeeded",
    "RunDeadLettered": "dead_lettered",
    "RunCancelled": "cancelled",
    "RunSkipped": "skipped",
    "RunExpired": "skipped",
    "RunDiscarded": "discarded",
    "AttemptFailed": "failed",
    "AttemptLost": "failed",
}


def _listed(types: Iterable[str]) -> str:
    return ", ".join(f"'{type_}'" for type_ in types)


_RARE = ("RunSkipped", "RunExpired", "RunDiscarded", "OccurrencesSkipped")  # those of the index `events_skipped`
_FREQUENT = ("AttemptStarted", *(type_ for type_ in _OUTCOMES if type_ not in _RARE))  # those of `events_logged`
_SLOT = " ".join(f"WHEN '{type_}' THEN {OUTCOMES.index(outcome)}" for type_, outcome in _OUTCOMES.items())


def _bucket(interval: str) -> str:
    """SQL for the bucket of a histogram into which the interval falls."""
    decades = f"log(greatest(date_part('epoch', {interval}) * 1000, 1))"
    return f"least({LAST_BUCKET}, ceil({BUCKETS_PER_DECADE} * {decades}))::int"


def _floor(step: str) -> str:
    """SQL for the start of the step into which `recorded_at` falls."""
    return f"date_bin('{step}', recorded_at, '1970-01-01Z')"


def _next(types: Iterable[str]) -> str:
    """SQL for the next events of these types, from a partial index in their order."""
    return f"""
        SELECT * FROM events WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON} AND type IN ({_listed(types)})
        ORDER BY xid, position LIMIT $3
    """  # noqa: S608


# Most runs have five events, and two that count. The next batch begins behind the last event of this one if it is full,
# else behind the last of the log.
# OFFSET 0 keeps the planner from joining all runs: it probes the primary key once for each event of an attempt or
# an end. After a success nothing changes the run's row, so its last start stands there. The jobs of hours that have
# their most keys are told apart only if they are among these. What a pause kept back was due at its end.
_FACTS = f"""
WITH batch AS MATERIALIZED (
    SELECT xid, position, stream, version, type, job_id, recorded_at, born,
           row_number() OVER (ORDER BY xid, position) AS n,
           CASE WHEN type IN ('AttemptStarted', 'AttemptSucceeded', 'AttemptFailed')
           THEN (data ->> 'at')::timestamptz END AS at,
           CASE WHEN type = 'OccurrencesSkipped' THEN (data ->> 'count')::bigint END AS count,
           type = 'AttemptStarted' AND data ->> 'attempt' = '1' AS is_first_start
    FROM (
        SELECT * FROM ({_next(_FREQUENT)}) AS frequent UNION ALL SELECT * FROM ({_next(_RARE)}) AS rare
        ORDER BY xid, position LIMIT $3
    ) AS next
), last AS (
    SELECT xid, position FROM (
        (SELECT xid, position FROM batch WHERE n = $3)
        UNION ALL
        (SELECT xid, position FROM events
         WHERE (xid, position) > ($1::xid8, $2) AND {HORIZON} ORDER BY xid DESC, position DESC LIMIT 1)
    ) AS read ORDER BY xid, position LIMIT 1
), facts AS (
    SELECT e.n, e.recorded_at, run.queue, run.task, run.job_id, m.measure, m.slot, 1::bigint AS count
    FROM batch AS e
    CROSS JOIN LATERAL (
        SELECT queue, task, job_id, due_at, resumed_at, started_at FROM runs
        WHERE run_id = substring(e.stream FROM 5)::uuid OFFSET 0
    ) AS run
    CROSS JOIN LATERAL (VALUES
        (0, CASE e.type {_SLOT} END),
        (1, CASE WHEN e.is_first_start THEN {_bucket("e.at - greatest(run.due_at, run.resumed_at)")} END),
        (2, CASE e.type WHEN 'AttemptSucceeded' THEN {_bucket("e.at - run.started_at")} WHEN 'AttemptFailed' THEN (
            SELECT {_bucket("e.at - (s.data ->> 'at')::timestamptz")} FROM events AS s
            WHERE s.stream = e.stream AND s.born = e.born AND s.version < e.version AND s.type = 'AttemptStarted'
            ORDER BY s.version DESC LIMIT 1) END)
    ) AS m (measure, slot)
    WHERE e.type <> 'OccurrencesSkipped' AND m.slot IS NOT NULL
    UNION ALL
    SELECT e.n, e.recorded_at, definition.queue, definition.task, e.job_id, 0, {OUTCOMES.index("skipped")},
           e.count
    FROM batch AS e
    CROSS JOIN LATERAL (
        SELECT coalesce(d.data #>> '{{definition,queue}}', 'default') AS queue,
               coalesce(d.data #>> '{{definition,task}}', 'log') AS task FROM events AS d
        WHERE d.stream = e.stream AND d.born = e.born AND d.version <= e.version
          AND d.type IN ('JobCreated', 'JobChanged')
        ORDER BY d.version DESC LIMIT 1
    ) AS definition
    WHERE e.type = 'OccurrencesSkipped'
), grouped AS (
    SELECT minute, hour, queue, task, job, measure, slot, sum(count)::bigint AS count, min(n) AS first
    FROM (
        SELECT *, {_floor("1 minute")} AS minute, {_floor("1 hour")} AS hour,
               CASE WHEN {_floor("1 hour")} <> ALL($4::timestamptz[])
               OR job_id IN (SELECT unnest($5::uuid[])) THEN job_id END AS job
        FROM facts
    ) AS f
    GROUP BY GROUPING SETS ((minute, queue, task, measure, slot), (hour, job, measure, slot))
)
SELECT last.xid, last.position, (SELECT count(*) FROM batch) AS size, grouped.* FROM last LEFT JOIN grouped ON true
"""  # noqa: S608

_KNOWN = """
SELECT s.step, s.dimension, s.at, s.key FROM statistics AS s
JOIN unnest($1::interval[], $2::text[], $3::timestamptz[]) AS g (step, dimension, at) USING (step, dimension, at)
"""
_ADD = """
INSERT INTO statistics (step, dimension, at, key, counts, lateness, duration)
SELECT * FROM jsonb_to_recordset($1) AS r (
    step interval, dimension text, at timestamptz, key text, counts bigint[], lateness bigint[], duration bigint[]
)
ON CONFLICT (step, dimension, at, key) DO UPDATE SET
    counts = add_counts(statistics.counts, excluded.counts),
    lateness = add_counts(statistics.lateness, excluded.lateness),
    duration = add_counts(statistics.duration, excluded.duration)
"""
_PRUNE = """
DELETE FROM statistics
WHERE step = $1 AND dimension = ANY($2::text[]) AND at < $3
"""
_FORGET = "DELETE FROM statistics"


class StatisticsSubscriber:
    """Counts the log's events. Any number may run; one at a time holds the lock."""

    def __init__(self, pool: Pool, pulse: LogPulse | None = None) -> None:
        self._pool, self._pulse = pool, pulse or LogPulse(pool)
        self._full: dict[Group, set[str]] = {}  # hours with their most jobs, which change no more

    async def step(self, now: datetime) -> int:
        """Count one batch. Returns its number of events if it was full, else 0."""
        if not await self._pulse.has_new_events(SUBSCRIBER):
            return 0
        async with transaction(self._pool) as db:
            checkpoint = await claim(db, SUBSCRIBER)
            if checkpoint is None:
                return 0
            jobs = [key for keys in self._full.values() for key in keys]
            position = (checkpoint.xid, checkpoint.position)
            records = await db.fetch(_FACTS, *position, BATCH, [hour.at for hour in self._full], jobs)
            if not records:
                return 0
            await self._add(db, roll_up(map(_facts_of, _with_facts(records)), now))
            await move_checkpoint(db, SUBSCRIBER, checkpoint, records[0])
        size: int = records[0]["size"]
        return size if size == BATCH else 0

    async def _add(self, db: Connection, rollups: dict[StepKey, Rollup]) -> None:
        of_full_hours = {row: rollups.pop(row) for row in [*rollups] if row.group in self._full}
        known = await _known(db, {row.group for row in rollups})
        added = admit(rollups, known)
        rows = (added | merge_unknown(of_full_hours, self._full)).items()
        await db.execute(_ADD, orjson.dumps([_row(row, rollup) for row, rollup in rows]))
        self._remember_full_hours(known | added.keys())

    def _remember_full_hours(self, rows: Iterable[StepKey]) -> None:
        jobs: dict[Group, set[str]] = {}
        for row in rows:
            if row.group.dimension is Dimension.JOB and row.key != OTHER:
                jobs.setdefault(row.group, set()).add(row.key)
        full = {hour: keys for hour, keys in jobs.items() if len(keys) >= MOST_KEYS[Dimension.JOB]}
        self._full = dict(sorted((self._full | full).items())[-2:])


def _with_facts(records: Iterable[Any]) -> Iterable[Any]:
    return (record for record in records if record["count"] is not None)


def _facts_of(record: Any) -> Facts:
    at = record["minute"] or record["hour"]
    job = None if record["job"] is None else str(record["job"])
    names = ("measure", "slot", "count", "first")
    return Facts(at, record["queue"], record["task"], job, *(record[name] for name in names))


async def _known(db: Connection, groups: Iterable[Group]) -> set[StepKey]:
    """The rows of these groups."""
    records = await db.fetch(_KNOWN, *zip(*groups, strict=True)) if groups else []
    return {StepKey(Group(r["step"], Dimension(r["dimension"]), r["at"]), r["key"]) for r in records}


def _row(row: StepKey, rollup: Rollup) -> Mapping[str, Any]:
    counts, lateness, duration = rollup.measures
    group = {"step": f"{row.group.step.total_seconds():.0f} s", "dimension": row.group.dimension, "at": row.group.at}
    return {**group, "key": row.key, "counts": counts, "lateness": lateness, "duration": duration}


async def prune(pool: Pool, now: datetime) -> None:
    """Delete the rows that are no longer kept."""
    others = [each for each in Dimension if each is not Dimension.JOB]
    limits: list[tuple[Any, Sequence[str], datetime]] = [(HOUR, [Dimension.JOB], now - JOBS_KEPT)]
    limits += [(step, others, now - kept) for step, kept in KEPT.items() if kept is not None]
    async with transaction(pool) as db:
        for step, dimensions, before in limits:
            await db.execute(_PRUNE, step, dimensions, before)


async def forget(db: Connection) -> None:
    """Delete all, so that the subscriber counts the log anew. No batch may be under way."""
    await db.execute(_FORGET)
    await forget_checkpoint(db, SUBSCRIBER)


async def rebuild(pool: Pool, now: datetime) -> None:
    """Count the whole log anew, while services go on working; until the end the numbers are those of a part of it."""
    async with transaction(pool) as db:
        await wait_for_claim(db, SUBSCRIBER)
        await forget(db)
    subscriber = StatisticsSubscriber(pool)
    while await subscriber.step(now):
        pass
