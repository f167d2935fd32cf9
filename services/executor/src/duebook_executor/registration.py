"""The executor's registration: which tasks it has, by which runs wait for it and the api warns and checks payloads."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from uuid import UUID

import structlog

from duebook.tasks import Task
from duebook_common.store import executors
from duebook_common.store.codec import dumps
from duebook_common.store.database import UNAVAILABLE, Pool, acquire
from duebook_common.store.executors import NO_WORK, About, Work

log = structlog.stdlib.get_logger("registration")

LOOK_INTERVAL = timedelta(seconds=2)
_RENEW_SECONDS, _SCHEMAS_SECONDS = 10.0, 300.0
_SHOWN = 100  # runs
_GOODBYE_SECONDS = 2.0  # a stopping executor waits no longer for PostgreSQL to take note of it

_PUT_SCHEMAS = """
INSERT INTO tasks (name, payload_schema, defaults, seen_at) SELECT name, payload_schema, defaults, clock_timestamp()
FROM unnest($1::text[], $2::jsonb[], $3::jsonb[]) AS t (name, payload_schema, defaults) ORDER BY name
ON CONFLICT (name) DO UPDATE
SET payload_schema = excluded.payload_schema, defaults = excluded.defaults, seen_at = excluded.seen_at
"""


class Registration:
    """Registers the executor with its tasks, and renews that. `wake` tells the scheduler that runs may have become due.

    `running` are the attempts under way, by run: a change of it is recorded soon, so that people see what runs where.
    `short`: the tasks of which the executor takes a crowd before its instant.
    If the row was lost, with the database or because it was not renewed for long, it is registered anew.
    """

    def __init__(  # noqa: PLR0913 - what a registration says
        self,
        pool: Pool,
        executor: str,
        queues: Sequence[str],
        tasks: Mapping[str, Task],
        wake: Callable[[], None],
        *,
        about: About,
        running: Collection[UUID],
        short: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._pool, self._executor, self._queues, self._tasks = pool, executor, queues, tasks
        self._wake, self._about, self._running, self._short = wake, about, running, short
        self._renew_at, self._recorded, self._draining = 0.0, NO_WORK, False
        self._schemas_at = -_SCHEMAS_SECONDS
        self._to_wake: executors.NewlyServed | None = None

    async def step(self) -> int:
        """Renew the registration if it is time or the work has changed.

        Always returns 0, because no work is left for a next step at once.
        """
        work = Work(len(self._running), [*islice(self._running, _SHOWN)], self._short())
        if time.monotonic() < self._renew_at and work == self._recorded and self._to_wake is None:
            return 0
        if self._draining:
            await executors.drain(self._pool, self._executor, work)
        else:
            await self._renew(work)
        self._renew_at, self._recorded = time.monotonic() + _RENEW_SECONDS, work
        return 0

    async def _renew(self, work: Work) -> None:
        if not await executors.renew(self._pool, self._executor, work):
            await self._put_schemas()  # first, so that no payload is checked by the schema of an older version
            self._to_wake = await executors.register(
                self._pool, self._executor, self._queues, tuple(self._tasks), self._about
            )
        elif time.monotonic() - self._schemas_at > _SCHEMAS_SECONDS:
            await self._put_schemas()
        if self._to_wake is not None:
            await executors.wake_runs(self._pool, self._to_wake)
            self._to_wake = None
            self._wake()

    async def drain(self) -> None:
        """Say that the executor takes no more work. From now on `step` renews that it finishes what it has."""
        self._draining, self._renew_at = True, 0.0
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await self.step()
        except UNAVAILABLE as error:
            log.debug("registration not marked as draining", error=error)

    async def leave(self) -> None:
        """Say that the executor has stopped; without PostgreSQL it is taken for gone a minute later."""
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await executors.leave(self._pool, self._executor)
        except UNAVAILABLE as error:
            log.debug("registration not deleted", error=error)

    async def _put_schemas(self) -> None:
        tasks = self._tasks.values()
        rows = [(task.name, dumps(task.json_schema()), dumps(task.defaults.json())) for task in tasks]
        async with acquire(self._pool) as db:
            await db.execute(_PUT_SCHEMAS, *zip(*rows, strict=True))
        self._schemas_at = time.monotonic()
