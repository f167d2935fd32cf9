"""Jobs: create, read, change, pause, resume, trigger, delete."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.access.rate_limit import JOBS_OF_ONE_UNIT
from duebook_api.history.archived import existing_job
from duebook_api.history.as_of import job_as_of
from duebook_api.http.idempotency import idempotency_key
from duebook_api.http.paging import AsOf, NoQuery, WaitQuery, page_of, query
from duebook_api.http.path_ids import PathJobId
from duebook_api.http.problems import Fault, invalid
from duebook_api.http.replies import reply
from duebook_api.http.requests import (
    MEBIBYTE,
    as_object,
    in_thread,
    large_body,
    may_be_too_large,
    must_fit,
    read_json,
    read_optional,
    validated,
    validated_each,
)
from duebook_api.http.search import read_listing
from duebook_api.jobs import commands
from duebook_api.jobs.chains import must_be_allowed_to_chain, then_of
from duebook_api.jobs.dry_run import plans as dry_run_of
from duebook_api.jobs.job_list import JobQuery, statement
from duebook_api.jobs.preconditions import Preconditions
from duebook_api.jobs.requests import DeleteRequest, IdempotentRequest
from duebook_api.jobs.waiting import job_after_wait, must_be_due, wait_for_run, wait_reserved
from duebook_api.schemas import answers, plans, views
from duebook_api.schemas.bodies import BatchBody, BatchEnvelope, JobBody, PauseBody, ReasonBody, TriggerBody
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.commands import PauseJob, ResumeJob
from duebook_common.domain.job.state import Job
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import acquire, snapshot

router = APIRouter(prefix="/api/job", tags=["jobs"])


class CreateQuery(NoQuery):
    dry_run: bool = False


class BatchQuery(CreateQuery):
    replace: bool = False


class CreateOneQuery(CreateQuery, WaitQuery):
    pass


@router.post(
    "",
    status_code=201,
    openapi_extra=operation(Scope.JOBS_WRITE, JobBody, query=CreateOneQuery, idempotent=True),
    response_model=answers.JobWithRun,
    responses={200: {"model": plans.JobPlan, "description": "A dry run: what would be made"}},
)
async def create_job(request: Request) -> Response:
    """Create a job. With `dry_run=true` nothing is made.

    The answer to a dry run has every default, the next ten times and the warnings, or each refusal. It uses up no
    Idempotency-Key. With `wait` the answer to a one-off that is due comes when its run has ended or become a dead
    letter, or after that time, and has the `run`: null if there is none yet.
    """
    key, q = idempotency_key(request), query(request, CreateOneQuery)
    value, size = await read_json(request)
    body = validated(JobBody, value)
    if may_be_too_large(size):
        must_fit(body.payload, body.metadata)
    deps = dependencies(request)
    if q.dry_run:
        [plan] = await dry_run_of(deps, [body], "")
        return reply(plan)
    must_be_allowed_to_chain(request, [body.then])
    must_be_due(body, deps.clock.now(), q.wait)
    once = IdempotentRequest("job", key, value) if key is not None else None
    with wait_reserved(request, q.wait):
        [job], _ = await commands.create(deps, [body], actor(request), once, "")
        if q.wait is None:
            return await _answer(deps, job, 201)
        job, run = await job_after_wait(request, job, q.wait)
        return await _answer(deps, job, 201, run=run)


@router.post(
    "/batch",
    status_code=201,
    openapi_extra=operation(Scope.JOBS_WRITE, BatchBody, query=BatchQuery, idempotent=True),
    response_model=answers.Items[answers.Job],
    responses={200: {"model": answers.Items[plans.JobPlan], "description": "A dry run: what would be made"}},
)
async def create_jobs(request: Request) -> Response:
    """Create up to 1,000 jobs, all or none. With `dry_run=true` nothing is made, and every refusal is named.

    A dry run with `replace=true` shows a job whose key exists as `PUT /api/job/key:NAME` would leave it.
    """
    key, deps = idempotency_key(request), dependencies(request)
    q = query(request, BatchQuery)
    if q.replace and not q.dry_run:
        raise invalid(Fault("/replace", "only a dry run takes this; PUT /api/job/key:NAME replaces a job"))
    async with large_body(request, deps.large_bodies):
        value, size = await read_json(request, 16 * MEBIBYTE)
        bodies = await in_thread(batch_bodies, value, size)
        must_be_allowed_to_chain(request, (body.then for body in bodies))
        request.state.charge(len(bodies) // JOBS_OF_ONE_UNIT)
        if q.dry_run:
            return reply({"items": await dry_run_of(deps, bodies, "/jobs/{}", replace=q.replace)})
        once = IdempotentRequest("batch", key, value) if key is not None else None
        jobs, _ = await commands.create(deps, bodies, actor(request), once, "/jobs/{}")
        schemas = await deps.task_schemas()
        return reply({"items": [views.job(job, schemas.served) for job in jobs]}, 201)


def batch_bodies(value: Any, size: int) -> list[JobBody]:
    """The jobs of a batch; raises Problem 422 with the first faults, or 413 for the first payload that is too large."""
    bodies = validated_each(JobBody, validated(BatchEnvelope, value).jobs, "/jobs")
    if may_be_too_large(size):
        for n, body in enumerate(bodies):
            must_fit(body.payload, body.metadata, f"/jobs/{n}")
    return bodies


@router.get("", openapi_extra=operation(Scope.JOBS_READ, query=JobQuery), response_model=answers.Page[answers.Job])
async def list_jobs(request: Request) -> Response:
    """Newest first, or by `sort`; deleted jobs only with `status=deleted`.

    `q`, and with `sort=name` each filter, is searched for, in 50,000 jobs for one page: it may have fewer items than
    its limit, or none, while its `next_cursor` continues the search.
    """
    return reply(await find_jobs(dependencies(request), query(request, JobQuery)))


async def find_jobs(deps: Dependencies, q: JobQuery) -> views.View:
    """One page of the list of jobs."""
    listing = statement(q)
    found = await read_listing(deps.pool, listing, q.limit)
    served = (await deps.task_schemas()).served
    order = listing.order.of
    return page_of(
        found.rows, q, lambda row: views.listed_job(row, served), order, more=found.more, searched_to=found.searched_to
    )


@router.get("/{job_id}", openapi_extra=operation(Scope.JOBS_READ, query=AsOf), response_model=answers.Job)
async def show_job(request: Request, job_id: PathJobId) -> Response:
    """The job now, or as it was at `as_of`."""
    q, deps = query(request, AsOf), dependencies(request)
    return await _answer(deps, await find_job(deps, job_id, q.as_of))


async def find_job(deps: Dependencies, job_id: UUID, as_of: datetime | None = None) -> Job:
    """The job now, or as it was at `as_of`; raises Problem 404."""
    if as_of is not None:
        async with snapshot(deps.pool) as db:
            return await job_as_of(db, job_id, as_of)
    async with acquire(deps.pool) as db:
        return await existing_job(db, job_id)


# In the OpenAPI document this is the operation below: two templates would describe one path.
@router.put(
    "/key:{key}",
    openapi_extra=operation(Scope.JOBS_WRITE, JobBody, match=True),
    response_model=answers.Job,
    responses={201: {"model": answers.Job}},
    include_in_schema=False,
)
async def replace_job_by_key(request: Request, key: str) -> Response:
    """Create the job with a key of the client's, or replace its definition."""
    value, _ = await read_json(request)
    must_be_allowed_to_chain(request, [then_of(value)])
    conditions = Preconditions.of(request)
    job, new = await commands.replace_by_key(dependencies(request), key, as_object(value), actor(request), conditions)
    return await _answer(dependencies(request), job, 201 if new else 200)


@router.put(
    "/{job_id}",
    openapi_extra=operation(Scope.JOBS_WRITE, JobBody, match=True),
    response_model=answers.Job,
    responses={201: {"model": answers.Job, "description": "There was no such job; it was created"}},
)
async def replace_job(request: Request, job_id: PathJobId) -> Response:
    """Create the job with an id or a key of the client, or replace its definition. The same body twice changes nothing.

    With `key:NAME` in the path, the body's `key` is that name, and may be left out.
    """
    value, _ = await read_json(request)
    must_be_allowed_to_chain(request, [then_of(value)])
    conditions = Preconditions.of(request)
    job, new = await commands.replace(dependencies(request), job_id, as_object(value), actor(request), conditions)
    return await _answer(dependencies(request), job, 201 if new else 200)


@router.patch(
    "/{job_id}", openapi_extra=operation(Scope.JOBS_WRITE, JobBody, match=True, patch=True), response_model=answers.Job
)
async def patch_job(request: Request, job_id: PathJobId) -> Response:
    """Change some fields by a merge patch (RFC 7396); null resets a field to its default."""
    deps = dependencies(request)
    value, _ = await read_json(request)
    must_be_allowed_to_chain(request, [then_of(value)])
    job = await commands.patch(deps, job_id, as_object(value), actor(request), Preconditions.of(request))
    return await _answer(deps, job)


@router.delete("/{job_id}", status_code=204, openapi_extra=operation(Scope.JOBS_WRITE, match=True))
async def delete_job(request: Request, job_id: PathJobId) -> Response:
    """End the job: no further run or attempt starts. The history stays readable."""
    deps = dependencies(request)
    delete = DeleteRequest(deps.clock.now(), Preconditions.of(request))
    await commands.handle(deps, job_id, delete, actor(request))
    return Response(status_code=204)


@router.post(
    "/{job_id}/pause", openapi_extra=operation(Scope.JOBS_WRITE, PauseBody, required=False), response_model=answers.Job
)
async def pause_job(request: Request, job_id: PathJobId) -> Response:
    """Skip the job's occurrences until it is resumed. Its active runs go on, retries included.

    With `hold` what has not started waits until the resume, uncharged: sent messages, retries, waiting runs, and what
    is triggered, redriven or backfilled meanwhile. Running attempts go on. `hold` also pauses a finished job that has
    active runs.
    """
    deps = dependencies(request)
    body = validated(PauseBody, await read_optional(request))
    pause = PauseJob(body.reason, deps.context(), body.hold)
    return await _answer(deps, (await commands.handle(deps, job_id, pause, actor(request))).job)


@router.post(
    "/{job_id}/resume",
    openapi_extra=operation(Scope.JOBS_WRITE, ReasonBody, required=False),
    response_model=answers.Job,
)
async def resume_job(request: Request, job_id: PathJobId) -> Response:
    """Continue with the next occurrence; those of the pause are skipped. Runs that were held go on."""
    deps = dependencies(request)
    body = validated(ReasonBody, await read_optional(request))
    resume = ResumeJob(body.reason, deps.clock.now())
    return await _answer(deps, (await commands.handle(deps, job_id, resume, actor(request))).job)


@router.post(
    "/{job_id}/trigger",
    status_code=202,
    openapi_extra=operation(Scope.RUNS_WRITE, TriggerBody, query=WaitQuery, idempotent=True, required=False),
    response_model=answers.Run,
)
async def trigger_job(request: Request, job_id: PathJobId) -> Response:
    """Start a run now, also while the job is paused. While its runs are held, the run waits for the resume.

    With `wait` the answer comes when the run has ended or become a dead letter, or after that time.
    """
    key, wait = idempotency_key(request), query(request, WaitQuery).wait
    value: Any = await read_optional(request)
    body = validated(TriggerBody, value)
    must_fit(body.payload)
    with wait_reserved(request, wait):
        overlap = Overlap(body.overlap)
        run, _ = await commands.trigger(dependencies(request), job_id, value, overlap, key, actor(request))
        ended = None if wait is None else await wait_for_run(request, run.id, wait)
    return reply(ended or views.run(run), 202, {"Location": f"/api/run/{run.id}"})


async def _answer(deps: Dependencies, job: Job, status: int = 200, **more: Any) -> Response:
    schemas = await deps.task_schemas()
    headers = {"ETag": f'"{job.version}"'} | ({"Location": f"/api/job/{job.id}"} if status == 201 else {})
    return reply(views.job(job, schemas.served) | more, status, headers)


BUSY = (create_job, show_job)
