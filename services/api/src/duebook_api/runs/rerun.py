"""Reruns: a new run with the payload of one that has ended."""

from dataclasses import dataclass
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_api.history.archived import archived, missing_run
from duebook_api.jobs.commands import handle, triggered
from duebook_api.jobs.requests import request_hash
from duebook_api.runs.payloads import payload_of
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.task_catalogue import TaskSchemas
from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import ContentsErased, JobDeletedAlready
from duebook_common.domain.job.commands import TriggerRun
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.ids import run_id_of_rerun
from duebook_common.domain.run.state import ENDED, Run
from duebook_common.store.actor import Actor
from duebook_common.store.database import Connection
from duebook_common.store.ledger_lines import load_lines
from duebook_common.store.rows import load_runs


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """A run that repeats another, with its payload and the job's present definition."""

    deps: Dependencies
    schemas: TaskSchemas
    run_id: UUID
    of_run: UUID

    async def prepare(self, db: Connection, job: Job) -> TriggerRun:
        """Raises JobDeletedAlready, ContentsErased, and Problem 422 if the job's task does not accept the payload."""
        runs = await load_runs(db, [self.run_id, self.of_run])
        if self.of_run not in runs:
            raise await missing_run(db, self.of_run)
        repeated, earlier = runs[self.of_run], runs.get(self.run_id)
        if earlier is None and (line := (await load_lines(db, [self.run_id])).get(self.run_id)) is not None:
            raise archived(f"run {self.run_id}, which this Idempotency-Key started,", line.period)
        if earlier is None and job.status is JobStatus.DELETED:
            raise JobDeletedAlready(job.id)
        if earlier is None and repeated.erased_at is not None:
            raise ContentsErased(repeated.id)
        payload = await payload_of(db, repeated)
        if earlier is None and repeated.status in ENDED:
            self.schemas.must_accept(job.definition.task, payload)
        return TriggerRun(
            self.run_id,
            Overlap.ALLOW_ALL,
            self.deps.context(),
            payload=payload,
            own_payload=True,
            request_hash=request_hash(str(self.of_run)),
            earlier=earlier,
            repeats=repeated,
        )


async def rerun(deps: Dependencies, repeated: Run, key: str | None, actor: Actor) -> tuple[Run, bool]:
    """Repeat a run; returns whether the result is new: an Idempotency-Key brings the run of its first use.

    Raises Problem 404 or 422, JobDeletedAlready, and WrongStatus if the run has not ended.
    """
    unique = key if key is not None else uuids.uuid7().hex
    run_id = run_id_of_rerun(repeated.job_id, repeated.id, actor.name, unique)
    request = RerunRequest(deps, await deps.task_schemas(), run_id, repeated.id)
    return triggered(await handle(deps, repeated.job_id, request, actor))
