"""Erasing the contents of a run, or of a job with all its runs."""

from dataclasses import asdict
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.history.archived import ArchivedJob, archived_job, archived_run
from duebook_api.http.path_ids import PathId, PathJobId
from duebook_api.http.problems import not_found
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_optional, validated
from duebook_api.schemas import answers, views
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.job.state import Job
from duebook_common.runtime.scopes import Scope
from duebook_common.store import erasure
from duebook_common.store.actor import Actor
from duebook_common.store.database import acquire

router = APIRouter(prefix="/api")


@router.post(
    "/run/{run_id}/erase",
    tags=["runs"],
    openapi_extra=operation(Scope.ERASE, ReasonBody, required=False),
    response_model=answers.ErasedRun,
)
async def erase_run(request: Request, run_id: PathId) -> Response:
    """Erase what a run that has ended held: payload, result, errors, recipients of mails, log lines, for ever.

    A payload that is the job's own stays until the job is erased. The history keeps what happened when, without these
    contents. A repeat erases what came later, such as lines of code that was given up. A dead letter is discarded
    first. The contents of an archived run leave its archive with the next run of the archiver.
    """
    body = validated(ReasonBody, await read_optional(request))
    return reply(await erased_run(dependencies(request), run_id, body.reason, actor(request)))


async def erased_run(deps: Dependencies, run_id: UUID, reason: str | None, by: Actor) -> views.View:
    """The run after its erasure; raises Problem 404, WrongStatus and OutcomePending."""
    result = (await erasure.erase_runs(deps.pool, [run_id], reason, deps.clock.now(), by))[run_id]
    if result.error is not None:
        raise result.error
    if result.run is not None:
        return views.run(result.run)
    await erasure.erase_archived_run(deps.pool, run_id, reason, deps.clock.now(), by)
    async with acquire(deps.pool) as db:
        found = await archived_run(db, run_id)
    if found is None:
        raise not_found(f"run {run_id}")
    return views.run(found.run) | {"archived": found.period}


@router.post(
    "/job/{job_id}/erase",
    tags=["jobs"],
    status_code=202,
    openapi_extra=operation(Scope.ERASE, ReasonBody, required=False),
    response_model=answers.Job | answers.ArchivedJob,
)
async def erase_job(request: Request, job_id: PathJobId) -> Response:
    """Erase what a deleted job held: payload, metadata and recipients of all its definitions, for ever.

    A scheduler then erases all its runs, at once or as soon as their outcomes are mailed. A repeat erases what came
    later. What is archived leaves its archive with the next run of the archiver; of an archived job the answer has what
    is still known.
    """
    deps = dependencies(request)
    body = validated(ReasonBody, await read_optional(request))
    job = await erased_job(deps, job_id, body.reason, actor(request))
    if isinstance(job, ArchivedJob):
        return reply(asdict(job), 202)
    return reply(views.job(job, (await deps.task_schemas()).served), 202)


async def erased_job(deps: Dependencies, job_id: UUID, reason: str | None, by: Actor) -> Job | ArchivedJob:
    """The job after its erasure, as far as it is known; raises Problem 404, and WrongStatus."""
    now = deps.clock.now()
    job = await erasure.erase_job(deps.pool, job_id, reason, now, by)
    if job is not None:
        return job
    await erasure.erase_archived_job(deps.pool, job_id, reason, now, by)
    async with acquire(deps.pool) as db:
        found = await archived_job(db, job_id)
    if found is None:
        raise not_found(f"job {job_id}")
    return found
