"""One job."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.console.rendering import render
from duebook_api.console.requests import needs
from duebook_api.http.path_ids import PathId
from duebook_api.jobs.routes import find_job
from duebook_api.schemas import views
from duebook_api.state.dependencies import dependencies
from duebook_api.why.queries import why_job
from duebook_common.runtime.scopes import Scope

router = APIRouter()


@router.get("/jobs/{job_id}", **needs(Scope.JOBS_READ))
async def show_job(request: Request, job_id: PathId) -> Response:
    """The job, and the sentence that says what it waits for."""
    deps = dependencies(request)
    job = views.job(await find_job(deps, job_id), (await deps.task_schemas()).served)
    explanation = await why_job(deps, job_id, None)
    return await render(request, "job.html", job=job, why=explanation.view if explanation else None)
