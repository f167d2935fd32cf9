"""What the executor reads and writes beside outcomes: definitions, log lines, leases, the catalogue of tasks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duebook.tasks import Task
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.events import JobChanged, JobCreated
from duebook_common.domain.run.state import Run
from duebook_common.store.codec import decode, dumps
from duebook_common.store.database import Pool, acquire
from duebook_common.store.rows import run_of

_ASSIGNMENTS = """
SELECT runs.*, events.type AS definition_type, events.data AS definition_data, events.meta ->> 'traceparent' AS trace
FROM runs JOIN events ON events.stream = 'job-' || runs.job_id AND events.version = runs.definition_version
WHERE run_id = ANY($1::uuid[])
"""

# Without a wait for the disk: the outcome that follows waits, and what was committed before it is on the disk then too.
_LINES = """
INSERT INTO log_lines (job_id, run_id, attempt, message, logged_at)
SELECT lines.* FROM set_config('synchronous_commit', 'off', true),
    unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::timestamptz[]) AS lines
"""

_WATCH = """
SELECT run_id, cancel_requested, attempt, status FROM runs WHERE run_id = ANY($1::uuid[])
"""

_BEAT = """
INSERT INTO leases (run_id, attempt, expires_at)
SELECT run_id, attempt, clock_timestamp() + $3 FROM unnest($1::uuid[], $2::int[]) AS mine (run_id, attempt)
ORDER BY run_id
ON CONFLICT (run_id) DO UPDATE SET attempt = excluded.attempt, expires_at = excluded.expires_at
WHERE leases.attempt <= excluded.attempt
"""

_FORGET = "DELETE FROM leases WHERE run_id = ANY($1::uuid[])"

_REGISTER = """
INSERT INTO tasks (name, payload_schema, seen_at) SELECT name, payload_schema, clock_timestamp()
FROM unnest($1::text[], $2::jsonb[]) AS t (name, payload_schema) ORDER BY name
ON CONFLICT (name) DO UPDATE SET payload_schema = excluded.payload_schema, seen_at = excluded.seen_at
"""

_BURIED = "UPDATE runs SET wake_at = NULL WHERE run_id = $1 AND status = 'dead_lettered' AND dispatch = $2"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run with the definition that it was dispatched by."""

    run: Run
    definition: Definition
    traceparent: str | None

    @property
    def payload(self) -> Any:
        return self.run.payload if self.run.own_payload else self.definition.payload


@dataclass(frozen=True, slots=True)
class LogLine:
    job_id: UUID
    run_id: UUID
    attempt: int
    message: str
    logged_at: datetime


@dataclass(frozen=True, slots=True)
class RecordedState:
    """How a run that this process carries out stands in the books."""

    cancel_requested: bool
    attempt: int
    status: str


class ExecutorQueries:
    """The executor's own statements, in batches."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def assignments(self, run_ids: Iterable[UUID]) -> dict[UUID, Assignment]:
        async with acquire(self._pool) as db:
            records = await db.fetch(_ASSIGNMENTS, list(run_ids))
        return {record["run_id"]: _assignment(record) for record in records}

    async def write_lines(self, lines: Sequence[LogLine]) -> None:
        rows = [(line.job_id, line.run_id, line.attempt, line.message, line.logged_at) for line in lines]
        async with acquire(self._pool) as db:
            await db.execute(_LINES, *zip(*rows, strict=True))

    async def standing(self, run_ids: Iterable[UUID]) -> dict[UUID, RecordedState]:
        async with acquire(self._pool) as db:
            records = await db.fetch(_WATCH, list(run_ids))
        return {r["run_id"]: RecordedState(r["cancel_requested"], r["attempt"], r["status"]) for r in records}

    async def beat(self, attempts: Sequence[tuple[UUID, int]], lease: timedelta) -> None:
        """Prolong the leases of these attempts by the database's clock."""
        async with acquire(self._pool) as db:
            await db.execute(_BEAT, *zip(*attempts, strict=True), lease)

    async def forget_leases(self, run_ids: Sequence[UUID]) -> None:
        async with acquire(self._pool) as db:
            await db.execute(_FORGET, run_ids)

    async def register(self, tasks: Iterable[Task]) -> None:
        """Put the tasks into the catalogue, from which the api warns of unknown ones."""
        rows = [(task.name, dumps(task.json_schema())) for task in tasks]
        async with acquire(self._pool) as db:
            await db.execute(_REGISTER, *zip(*rows, strict=True))

    async def buried(self, run_id: UUID, dispatch: int) -> None:
        """The dead letter's message is on its way to the dead-letter queue: nothing more needs to wake the run."""
        async with acquire(self._pool) as db:
            await db.execute(_BURIED, run_id, dispatch)


def _assignment(record: Any) -> Assignment:
    defined = decode(record["definition_type"], record["definition_data"])
    assert isinstance(defined, JobCreated | JobChanged)
    return Assignment(run_of(record), defined.definition, record["trace"])
