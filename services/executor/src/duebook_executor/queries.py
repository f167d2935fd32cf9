"""The executor's own SQL: definitions of runs, leases and burials."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.events import JobChanged, JobCreated
from duebook_common.domain.run.state import Run
from duebook_common.store.codec import decode
from duebook_common.store.database import Pool, acquire
from duebook_common.store.predicates import one_of
from duebook_common.store.rows import run_of
from duebook_common.store.wakeups import mark_buried

_ASSIGNMENTS = f"""
SELECT runs.*, events.type AS definition_type, events.data AS definition_data, events.meta ->> 'traceparent' AS trace,
       ARRAY[runs.queue, '*'] && ARRAY(SELECT name FROM queue_pauses WHERE until IS NULL) AS queue_paused
FROM runs JOIN jobs USING (job_id)
JOIN events ON events.stream = 'job-' || runs.job_id AND events.version = runs.definition_version
    AND events.born = jobs.born
WHERE run_id {one_of("$1")}
"""  # noqa: S608

_CHECKPOINTS = f"SELECT run_id, value FROM task_checkpoints WHERE run_id {one_of('$1')}"  # noqa: S608

_RECORDED_STATES = f"""
SELECT run_id, cancel_requested, attempt, status FROM runs WHERE run_id {one_of("$1")}
"""  # noqa: S608

_EXTEND_LEASES = """
INSERT INTO leases (run_id, attempt, expires_at)
SELECT run_id, attempt, clock_timestamp() + $3 FROM unnest($1::uuid[], $2::int[]) AS own (run_id, attempt)
ORDER BY run_id
ON CONFLICT (run_id) DO UPDATE SET attempt = excluded.attempt, expires_at = excluded.expires_at
WHERE leases.attempt <= excluded.attempt
"""

_DELETE_LEASES = f"DELETE FROM leases WHERE run_id {one_of('$1')}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Assignment:
    """A run with the version of the job's definition that it was dispatched with."""

    run: Run
    definition: Definition
    traceparent: str | None
    queue_paused: bool = False
    last_checkpoint: Any = None

    @property
    def payload(self) -> Any:
        return self.run.payload if self.run.own_payload else self.definition.payload


@dataclass(frozen=True, slots=True)
class RecordedState:
    """The recorded state of a run that this process executes."""

    cancel_requested: bool
    attempt: int
    status: str


class ExecutorQueries:
    """Each statement takes a batch."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def assignments(self, run_ids: Iterable[UUID]) -> dict[UUID, Assignment]:
        async with acquire(self._pool) as db:
            records = await db.fetch(_ASSIGNMENTS, list(run_ids))
            repeated = [record["run_id"] for record in records if record["attempt"]]
            last = await db.fetch(_CHECKPOINTS, repeated) if repeated else []
        checkpoints = {record["run_id"]: record["value"] for record in last}
        return {record["run_id"]: _assignment(record, checkpoints) for record in records}

    async def recorded_states(self, run_ids: Iterable[UUID]) -> dict[UUID, RecordedState]:
        async with acquire(self._pool) as db:
            records = await db.fetch(_RECORDED_STATES, list(run_ids))
        return {r["run_id"]: RecordedState(r["cancel_requested"], r["attempt"], r["status"]) for r in records}

    async def extend_leases(self, attempts: Sequence[tuple[UUID, int]], lease: timedelta) -> None:
        """Let the leases of these attempts expire `lease` from now, by the database's clock."""
        async with acquire(self._pool) as db:
            await db.execute(_EXTEND_LEASES, *zip(*attempts, strict=True), lease)

    async def delete_leases(self, run_ids: Sequence[UUID]) -> None:
        async with acquire(self._pool) as db:
            await db.execute(_DELETE_LEASES, run_ids)

    async def mark_buried(self, run_id: UUID, dispatch: int) -> None:
        """Clear the run's `wake_at`: its message is on the way to the dead-letter queue."""
        async with acquire(self._pool) as db:
            await mark_buried(db, run_id, dispatch)


def _assignment(record: Any, checkpoints: Mapping[UUID, Any]) -> Assignment:
    event = decode(record["definition_type"], record["definition_data"], record["job_id"])
    assert isinstance(event, JobCreated | JobChanged)
    last = checkpoints.get(record["run_id"])
    return Assignment(run_of(record), event.definition, record["trace"], record["queue_paused"], last)
