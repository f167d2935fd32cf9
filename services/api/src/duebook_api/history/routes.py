"""The runs of a job, and the events of a job or a run."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.access.permits import may_read_payloads
from duebook_api.history.archived import job_must_exist, missing_job, missing_run
from duebook_api.http.filters import is_cut, newest_first, within_bytes
from duebook_api.http.paging import RUNS, PageQuery, decode_cursor, integer_between, page_of, query
from duebook_api.http.path_ids import PathId, PathJobId
from duebook_api.http.problems import Problem
from duebook_api.http.replies import reply
from duebook_api.schemas import answers, views
from duebook_api.schemas.listed import LISTED_RUNS, RUN_BYTES
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.domain.job import events as job_events
from duebook_common.domain.run import events as run_events
from duebook_common.runtime.scopes import Scope
from duebook_common.store.database import Connection, acquire
from duebook_common.store.eventstore import read_page

router = APIRouter(prefix="/api")


@router.get(
    "/job/{job_id}/runs",
    tags=["jobs"],
    openapi_extra=operation(Scope.RUNS_READ, query=PageQuery),
    response_model=answers.Page[answers.Run],
)
async def list_runs_of_job(request: Request, job_id: PathJobId) -> Response:
    """The runs of a job, newest first."""
    return reply(await find_runs_of_job(dependencies(request), job_id, query(request, PageQuery)))


async def find_runs_of_job(deps: Dependencies, job_id: UUID, q: PageQuery) -> views.View:
    """A page of the job's runs; raises Problem 404."""
    runs = newest_first("SELECT * FROM runs", RUNS, q, ("job_id = {}", job_id))
    statement, arguments = within_bytes(runs, RUNS, LISTED_RUNS, RUN_BYTES)
    async with acquire(deps.pool) as db:
        rows: list[Any] = await db.fetch(statement, *arguments)
        if not rows:
            await job_must_exist(db, job_id)
    return page_of(rows, q, views.listed_run, RUNS.of, more=is_cut(rows))


@router.get(
    "/job/{job_id}/events",
    tags=["jobs"],
    openapi_extra=operation(Scope.JOBS_READ, query=PageQuery),
    response_model=answers.Page[answers.Event],
)
async def list_events_of_job(request: Request, job_id: PathJobId) -> Response:
    """The events of a job, oldest first."""
    return reply(await find_events_of_job(dependencies(request), job_id, query(request, PageQuery)))


async def find_events_of_job(deps: Dependencies, job_id: UUID, q: PageQuery) -> views.View:
    """A page of the job's events; raises Problem 404 or 410."""
    return await _events(deps, job_events.stream(job_id), partial(missing_job, job_id=job_id), q, with_payload=True)


@router.get(
    "/run/{run_id}/events",
    tags=["runs"],
    openapi_extra=operation(Scope.RUNS_READ, query=PageQuery),
    response_model=answers.Page[answers.Event],
)
async def list_events_of_run(request: Request, run_id: PathId) -> Response:
    """The events of a run, oldest first; without the payload in their data for keys without `payloads:read`."""
    q, with_payload = query(request, PageQuery), may_read_payloads(request)
    return reply(await find_events_of_run(dependencies(request), run_id, q, with_payload=with_payload))


async def find_events_of_run(deps: Dependencies, run_id: UUID, q: PageQuery, *, with_payload: bool) -> views.View:
    """A page of the run's events; raises Problem 404 or 410."""
    missing = partial(missing_run, run_id=run_id)
    return await _events(deps, run_events.stream(run_id), missing, q, with_payload=with_payload)


async def _events(
    deps: Dependencies,
    stream: str,
    missing: Callable[[Connection], Awaitable[Problem]],
    q: PageQuery,
    *,
    with_payload: bool,
) -> views.View:
    [version] = decode_cursor(q, integer_between(0, 2**31 - 1)) or [0]
    async with acquire(deps.pool) as db:
        events, more = await read_page(db, stream, version, q.limit, with_payload=with_payload)
        if not events and not version:
            raise await missing(db)
    view = partial(views.event, with_payload=with_payload)
    return page_of(events, q, view, lambda event: (event.version,), more=more)
