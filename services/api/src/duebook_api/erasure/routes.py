"""Erasing the contents of a run, or of a job with all its runs."""

from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.history.archived import missing_job, missing_run
from duebook_api.http.path_ids import PathId, PathJobId
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_optional, validated
from duebook_api.schemas import answers, views
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.runtime.scopes import Scope
from duebook_common.store import erasure
from duebook_common.store.actor import Actor
from duebook_common.store.database import acquire

router = APIRouter(prefix="/api")


@router.post(
    "/run/{run_id}/erase",
    tags=["runs"],
    openapi_extra=operation(Scope.ERASE, ReasonBody, required=False),
    response_model=answers.Run,
)
async def erase_run(request: Request, run_id: PathId) -> Response:
    """Erase what a run that has ended held: payload, result, errors, recipients of mails, log lines, for ever.

    A payload that is the job's own stays until the job is erased. The history keeps what happened when, without these
    contents. A repeat erases what came later, such as lines of code that was given up. A dead letter is discarded
    first.
    """
    body = validated(ReasonBody, await read_optional(request))
    return reply(views.run(await erased_run(dependencies(request), run_id, body.reason, actor(request))))


async def erased_run(deps: Dependencies, run_id: UUID, reason: str | None, by: Actor) -> Run:
    """The run after its erasure; raises Problem 404 or 410, WrongStatus and OutcomePending."""
    result = (await erasure.erase_runs(deps.pool, [run_id], reason, deps.clock.now(), by))[run_id]
    if result.error is not None:
        raise result.error
    if result.run is None:
        async with acquire(deps.pool) as db:
            raise await missing_run(db, run_id)
    return result.run


@router.post(
    "/job/{job_id}/erase",
    tags=["jobs"],
    status_code=202,
    openapi_extra=operation(Scope.ERASE, ReasonBody, required=False),
    response_model=answers.Job,
)
async def erase_job(request: Request, job_id: PathJobId) -> Response:
    """Erase what a deleted job held: payload, metadata and recipients of all its definitions, for ever.

    A scheduler then erases all its runs, at once or as soon as their outcomes are mailed. A repeat erases what came
    later.
    """
    deps = dependencies(request)
    body = validated(ReasonBody, await read_optional(request))
    job = await erased_job(deps, job_id, body.reason, actor(request))
    return reply(views.job(job, (await deps.task_schemas()).served), 202)


async def erased_job(deps: Dependencies, job_id: UUID, reason: str | None, by: Actor) -> Job:
    """The job after its erasure; raises Problem 404 or 410, and WrongStatus."""
    job = await erasure.erase_job(deps.pool, job_id, reason, deps.clock.now(), by)
    if job is None:
        async with acquire(deps.pool) as db:
            raise await missing_job(db, job_id)
    return job
