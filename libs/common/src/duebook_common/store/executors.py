"""Which executors run: the queues that each serves and the tasks that it has.

An executor renews its row every ten seconds at least, and deletes it when it has stopped. A row that was not renewed
for a minute counts as that of an executor that is gone; one that is draining takes no work. Times are the database's.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from duebook_common.store.codec import dumps
from duebook_common.store.database import Connection, Pool, acquire, transaction
from duebook_common.store.predicates import IS_LIVE
from duebook_common.store.wakeups import wake_for_tasks

QueueTask = tuple[str, str]  # the name of a queue, the name of a task
QueueTasks = AbstractSet[QueueTask]

_WOKEN_AT_ONCE = 10_000  # runs: a statement may take 15 seconds

_RENEW = f"""
UPDATE executors SET seen_at = clock_timestamp(), running = $2, doing = $3, short = $4
WHERE executor = $1 AND {IS_LIVE} RETURNING true
"""  # noqa: S608
_REGISTER = """
INSERT INTO executors (executor, queues, tasks, host, version, slots, started_at, defaults, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, clock_timestamp()), $8, clock_timestamp())
ON CONFLICT (executor) DO UPDATE SET seen_at = excluded.seen_at, draining = false
"""
_DRAIN = """
UPDATE executors SET seen_at = clock_timestamp(), running = $2, doing = $3, draining = true WHERE executor = $1
"""
# Pairs that another executor has do not count: no run waits for those.
_NEWLY_SERVED = f"""
SELECT queue, task, clock_timestamp() AS now FROM (
    SELECT queue, task FROM executors, unnest(queues) AS queue, unnest(tasks) AS task WHERE executor = $1
    EXCEPT
    SELECT queue, task FROM executors, unnest(queues) AS queue, unnest(tasks) AS task
    WHERE executor <> $1 AND {IS_LIVE}
) AS own
"""  # noqa: S608
_FORGET = "DELETE FROM executors WHERE seen_at < clock_timestamp() - interval '1 day'"
_LEAVE = "DELETE FROM executors WHERE executor = $1"
_EXPIRE = "UPDATE executors SET seen_at = least(seen_at, clock_timestamp() - interval '1 minute') WHERE executor = $1"
_WITH_EXECUTOR = f"""
SELECT wanted.queue, wanted.task FROM unnest($1::text[], $2::text[]) AS wanted (queue, task)
WHERE EXISTS (SELECT FROM executors WHERE {IS_LIVE} AND wanted.queue = ANY(queues) AND wanted.task = ANY(tasks))
"""  # noqa: S608
_SLOTS_FOR_SHORT = f"""
SELECT wanted.queue, wanted.task, sum(slots / cardinality(queues))::float8 / (
    SELECT greatest(count(*), 1) FROM services WHERE service = 'scheduler' AND {IS_LIVE}
) AS slots
FROM unnest($1::text[], $2::text[]) AS wanted (queue, task)
JOIN executors ON {IS_LIVE} AND wanted.queue = ANY(queues) AND wanted.task = ANY(tasks)
GROUP BY 1, 2 HAVING bool_and(wanted.task = ANY(short))
"""  # noqa: S608
_REGISTERED = f"SELECT DISTINCT queues, tasks, defaults FROM executors WHERE {IS_LIVE} ORDER BY 1, 2, 3"  # noqa: S608
_SERVED = f"""
SELECT queue, array_agg(DISTINCT task) AS tasks
FROM executors, unnest(queues) AS queue, unnest(tasks) AS task WHERE {IS_LIVE} GROUP BY queue
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class About:
    """What people want to know of an executor."""

    host: str = ""
    version: str = ""
    slots: int = 0
    started_at: datetime | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """What its tasks say of the fields of jobs, as JSON, by task; only those that say something."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What executors have in common that registered the same."""

    queues: frozenset[str]
    tasks: frozenset[str]
    defaults: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """How many attempts an executor has under way, the first of their runs, and its tasks that are short ones."""

    running: int = 0
    doing: Sequence[UUID] = ()
    short: Sequence[str] = ()


NO_WORK, NOTHING = Work(), About()


async def renew(pool: Pool, executor: str, work: Work = NO_WORK) -> bool:
    """Say that the executor runs; False if it has to be registered: it is new, or was taken for gone."""
    async with acquire(pool) as db:
        return bool(await db.fetchval(_RENEW, executor, work.running, work.doing, work.short))


async def drain(pool: Pool, executor: str, work: Work = NO_WORK) -> None:
    """The executor finishes its work and takes no more: from now on it has no task."""
    async with acquire(pool) as db:
        await db.execute(_DRAIN, executor, work.running, work.doing)


@dataclass(frozen=True, slots=True)
class NewlyServed:
    """The pairs of queue and task that had no executor until `at` (UTC): runs may wait for them."""

    queues: Sequence[str]
    tasks: Sequence[str]
    at: datetime


async def register(
    pool: Pool, executor: str, queues: Collection[str], tasks: Collection[str], about: About = NOTHING
) -> NewlyServed | None:
    """Register the executor; returns what only it serves, if anything.

    Of executors that register at the same time each takes itself for the first.
    """
    async with transaction(pool) as db:
        facts = (about.host, about.version, about.slots, about.started_at, dumps(about.defaults))
        await db.execute(_REGISTER, executor, list(queues), list(tasks), *facts)
        await db.execute(_FORGET)
        found = await db.fetch(_NEWLY_SERVED, executor)
    return NewlyServed([r["queue"] for r in found], [r["task"] for r in found], found[0]["now"]) if found else None


async def wake_runs(pool: Pool, served: NewlyServed) -> None:
    """Look now at the runs that waited for the executor, however many there are. Safe to repeat."""
    moved = _WOKEN_AT_ONCE
    while moved == _WOKEN_AT_ONCE:
        async with acquire(pool) as db:
            moved = await wake_for_tasks(db, served.queues, served.tasks, served.at, _WOKEN_AT_ONCE)


async def leave(pool: Pool, executor: str) -> None:
    """The executor has stopped."""
    async with acquire(pool) as db:
        await db.execute(_LEAVE, executor)


async def expire(pool: Pool, executor: str) -> None:
    """The executor has ended without leaving. If it runs after all, it is registered anew by its next renewal."""
    async with acquire(pool) as db:
        await db.execute(_EXPIRE, executor)


async def with_executor(db: Connection, wanted: Iterable[QueueTask]) -> set[QueueTask]:
    """Of these pairs those whose task an executor of the queue has now."""
    queues, tasks = zip(*wanted, strict=True)
    return {(record["queue"], record["task"]) for record in await db.fetch(_WITH_EXECUTOR, queues, tasks)}


async def slots_for_short(db: Connection, wanted: Iterable[QueueTask]) -> dict[QueueTask, float]:
    """Of these pairs those whose task is a short one for all executors that have it, with a scheduler's share of slots.

    An executor shares its slots out to its queues, and these to the schedulers that live now. After a change of their
    number, or of one scheduler's memory by a restart, they send more together for a few seconds than the executor
    holds: it hands back what is beyond that, uncharged.
    """
    queues, tasks = zip(*wanted, strict=True)
    return {
        (record["queue"], record["task"]): record["slots"] for record in await db.fetch(_SLOTS_FOR_SHORT, queues, tasks)
    }


async def served_tasks(db: Connection) -> Mapping[str, frozenset[str]]:
    """The tasks of the executors that serve each queue, by queue."""
    return {record["queue"]: frozenset(record["tasks"]) for record in await db.fetch(_SERVED)}


async def registered(db: Connection) -> list[Registered]:
    """What the executors that take work have registered, each combination once."""
    records = await db.fetch(_REGISTERED)
    return [Registered(frozenset(r["queues"]), frozenset(r["tasks"]), r["defaults"]) for r in records]
