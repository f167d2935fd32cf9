"""Requests whose commands depend on facts under the job's lock: each prepares its command there (`Preparation`)."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from duebook_api.history.archived import archived
from duebook_api.jobs.chains import must_not_trigger_itself
from duebook_api.jobs.definition import define, must_be_accepted
from duebook_api.jobs.derived_ids import derived_id
from duebook_api.jobs.patch import SCHEDULE, patched
from duebook_api.jobs.preconditions import Preconditions
from duebook_api.jobs.read_only import must_equal
from duebook_api.schemas import views
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.first_times import takes_long
from duebook_api.schemas.task_defaults import with_task_defaults
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.task_catalogue import TaskSchemas
from duebook_common.domain.definition import Definition, Overlap
from duebook_common.domain.errors import JobDeletedAlready
from duebook_common.domain.job.commands import ChangeJob, DeleteJob, TriggerRun
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.ids import run_id_at
from duebook_common.store.actor import Actor
from duebook_common.store.database import Connection
from duebook_common.store.ledger_lines import load_lines
from duebook_common.store.rows import load_runs

_RUN_EXISTS = """
SELECT EXISTS (SELECT FROM runs WHERE run_id = $1) OR EXISTS (SELECT FROM ledger_lines WHERE run_id = $1)
"""


def request_hash(request: Any) -> str:
    """The same for equal JSON values: detects an Idempotency-Key that is used again with another request."""
    return sha256(orjson.dumps(request, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with an Idempotency-Key. `kind`: `job` or `batch`.

    The ids follow from actor, key and index only; `hash`, kept in the row, tells a repeat from another request.
    """

    kind: str
    key: str
    request: Any

    @property
    def hash(self) -> str:
        return request_hash(self.request)

    def id(self, actor: Actor, index: int) -> UUID:
        return derived_id(f"{self.kind}\n{actor.name}\n{index}\n{self.key}")


@dataclass(frozen=True, slots=True)
class ChangeRequest:
    """A new definition: a whole body (PUT), or a merge patch of the current definition (PATCH).

    The patch replaces fields that `whole` names instead of merging them.
    """

    deps: Dependencies
    schemas: TaskSchemas
    change: JobBody | dict[str, Any]
    now: datetime
    preconditions: Preconditions
    read_only: Mapping[str, Any] = field(default_factory=dict)
    whole: Collection[str] = ()

    async def prepare(self, db: Connection, job: Job) -> ChangeJob:
        """Raises JobDeletedAlready, StaleVersion, and Problem 413 or 422 if the new definition is invalid."""
        self.preconditions.check(job)
        if job.status is JobStatus.DELETED:
            raise JobDeletedAlready(job.id)
        must_equal(views.job(job, self.schemas.served), self.read_only)
        definition = await self._definition(job)
        must_not_trigger_itself(definition, job.id)
        must_be_accepted(self.deps, self.schemas, definition, current=job.definition)
        run_exists = await db.fetchval(_RUN_EXISTS, run_id_at(job.id, definition.scheduled_at))
        return ChangeJob(definition, self.deps.context(), run_exists=bool(run_exists))

    @property
    def takes_long(self) -> bool:
        """Whether to decide on the schedule beside the event loop. Then the request must have `definition_search`."""
        if isinstance(self.change, JobBody):
            return takes_long(self.change)
        return bool(self.change.keys() & SCHEDULE)

    async def _definition(self, job: Job) -> Definition:
        return await asyncio.to_thread(self._changed, job) if self.takes_long else self._changed(job)

    def _changed(self, job: Job) -> Definition:
        if isinstance(self.change, JobBody):
            body = with_task_defaults(self.change, self.schemas.defaults.of, job.definition)
            return define(body, job.definition.scheduled_at)
        return patched(job.definition, self.change, self.now, whole=self.whole, defaults_of=self.schemas.defaults.of)


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    now: datetime
    preconditions: Preconditions

    async def prepare(self, _db: Connection, job: Job) -> DeleteJob:
        """Raises StaleVersion."""
        self.preconditions.check(job)
        return DeleteJob(self.now)


@dataclass(frozen=True, slots=True)
class TriggerRequest:
    """A run to be started now; the run of an Idempotency-Key that was used before is the result again."""

    deps: Dependencies
    schemas: TaskSchemas
    run_id: UUID
    request: Mapping[str, Any]
    overlap: Overlap

    async def prepare(self, db: Connection, job: Job) -> TriggerRun:
        """Raises JobDeletedAlready, Problem 410 if the run is archived, 422 if its task does not accept the payload."""
        earlier = (await load_runs(db, [self.run_id])).get(self.run_id)
        if earlier is None and (line := (await load_lines(db, [self.run_id])).get(self.run_id)) is not None:
            raise archived(f"run {self.run_id}, which this Idempotency-Key started,", line.period)
        if earlier is None and job.status is JobStatus.DELETED:
            raise JobDeletedAlready(job.id)
        own_payload = "payload" in self.request
        if earlier is None and own_payload:
            self.schemas.must_accept(job.definition.task, self.request["payload"])
        return TriggerRun(
            self.run_id,
            self.overlap,
            self.deps.context(),
            payload=self.request.get("payload"),
            own_payload=own_payload,
            request_hash=request_hash(self.request),
            earlier=earlier,
        )
