"""Explanations over HTTP: why a run or a job did something, did not, or waits."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.paging import NoQuery, Time, query
from duebook_api.http.path_ids import PathId, PathJobId
from duebook_api.http.replies import reply
from duebook_api.schemas import answers
from duebook_api.state.dependencies import dependencies
from duebook_api.why import queries
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/api")


class WhyQuery(NoQuery):
    at: Time | None = None


@router.get("/run/{run_id}/why", tags=["runs"], openapi_extra=operation(Scope.RUNS_READ), response_model=answers.Why)
async def why_run(request: Request, run_id: PathId) -> Response:
    """Why the run ran, did not, or waits: the `answer` in one sentence, and the causes (`because`), oldest first.

    A cause has a sentence (`says`), the time of its event (`at`; null if it holds now), the event's type (`event`), and
    `run_id` if it is about another run.
    """
    query(request, NoQuery)
    return reply((await queries.why_run(dependencies(request), run_id)).view)


@router.get(
    "/job/{job_id}/why",
    tags=["jobs"],
    openapi_extra=operation(Scope.JOBS_READ, query=WhyQuery),
    response_model=answers.Why,
)
async def why_job(request: Request, job_id: PathJobId) -> Response:
    """Why the job ran or did not run at the time `at`; without `at`, what it waits for. Same format as for a run."""
    q = query(request, WhyQuery)
    return reply((await queries.why_job(dependencies(request), job_id, q.at)).view)
