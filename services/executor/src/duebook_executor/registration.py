"""The executor's registration: which tasks it has, by which runs wait for it and the api warns and checks payloads."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import structlog

from duebook.tasks import Task
from duebook_common.store import executors
from duebook_common.store.codec import dumps
from duebook_common.store.database import UNAVAILABLE, Pool, acquire

log = structlog.stdlib.get_logger("registration")

RENEW_INTERVAL = timedelta(seconds=10)
_SCHEMAS_SECONDS = 300.0

_PUT_SCHEMAS = """
INSERT INTO tasks (name, payload_schema, seen_at) SELECT name, payload_schema, clock_timestamp()
FROM unnest($1::text[], $2::jsonb[]) AS t (name, payload_schema) ORDER BY name
ON CONFLICT (name) DO UPDATE SET payload_schema = excluded.payload_schema, seen_at = excluded.seen_at
"""


class Registration:
    """Registers the executor with its tasks, and renews that. `wake` tells the scheduler that runs may have become due.

    If the row was lost, with the database or because it was not renewed for long, it is registered anew.
    """

    def __init__(
        self, pool: Pool, executor: str, queues: Sequence[str], tasks: Mapping[str, Task], wake: Callable[[], None]
    ) -> None:
        self._pool, self._executor, self._queues, self._tasks = pool, executor, queues, tasks
        self._wake = wake
        self._schemas_at = -_SCHEMAS_SECONDS
        self._to_wake: executors.NewlyServed | None = None

    async def step(self) -> int:
        """Renew the registration; always returns 0, because no work is left for a next step at once."""
        if not await executors.renew(self._pool, self._executor):
            await self._put_schemas()  # first, so that no payload is checked by the schema of an older version
            self._to_wake = await executors.register(self._pool, self._executor, self._queues, tuple(self._tasks))
        elif time.monotonic() - self._schemas_at > _SCHEMAS_SECONDS:
            await self._put_schemas()
        if self._to_wake is not None:
            await executors.wake_runs(self._pool, self._to_wake)
            self._to_wake = None
            self._wake()
        return 0

    async def leave(self) -> None:
        """Say that the executor stops; without PostgreSQL it is taken for gone a minute later."""
        try:
            await executors.leave(self._pool, self._executor)
        except UNAVAILABLE as error:
            log.debug("registration not deleted", error=repr(error))

    async def _put_schemas(self) -> None:
        rows = [(task.name, dumps(task.json_schema())) for task in self._tasks.values()]
        async with acquire(self._pool) as db:
            await db.execute(_PUT_SCHEMAS, *zip(*rows, strict=True))
        self._schemas_at = time.monotonic()
