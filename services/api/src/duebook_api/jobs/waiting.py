"""Answers that come when a run has ended: the parameter `wait`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from starlette.requests import Request

from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.schemas import views
from duebook_api.schemas.bodies import JobBody
from duebook_api.state.dependencies import Dependencies, dependencies
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.ids import run_id_at
from duebook_common.runtime.scopes import Scope, allowed
from duebook_common.store.database import acquire
from duebook_common.store.rows import load_jobs, load_runs


@contextmanager
def wait_reserved(request: Request, wait: timedelta | None) -> Iterator[None]:
    """Take the place of one waiting request before anything is done; raises Problem 403, 429 or 503."""
    if wait is None:
        yield
        return
    if not allowed(request.state.scopes, Scope.RUNS_READ):
        raise Problem(403, "scope_missing", "`wait` needs a key with the scope runs:read, which yours does not have")
    with dependencies(request).waits.reserve(request.state.client):
        yield


async def wait_for_run(request: Request, run_id: UUID, wait: timedelta) -> views.View | None:
    """The run when it has ended, or after that time; None if there is none. The caller holds `wait_reserved`."""
    deps = dependencies(request)
    await deps.waits.wait(deps.pool, run_id, wait.total_seconds(), request)
    async with acquire(deps.pool) as db:
        runs = await load_runs(db, [run_id])
    return views.run(runs[run_id]) if run_id in runs else None


def must_be_due(body: JobBody, now: datetime, wait: timedelta | None) -> None:
    """Raises Problem 422 if `wait` is given and the job is no one-off that is due within that time."""
    if wait is None:
        return
    if body.recurrence != "none":
        raise invalid(Fault("/recurrence", "`wait` is for a one-off; wait for the runs of this job one by one"))
    if body.scheduled_at is not None and body.scheduled_at > now + wait:
        raise invalid(Fault("/scheduled_at", "`wait` is for a one-off that is due by then; this one is due later"))


async def job_after_wait(request: Request, job: Job, wait: timedelta) -> tuple[Job, views.View | None]:
    """The one-off and its run when that has ended, or after that time."""
    deps: Dependencies = dependencies(request)
    run = await wait_for_run(request, run_id_at(job.id, job.definition.scheduled_at), wait)
    async with acquire(deps.pool) as db:
        jobs = await load_jobs(db, [job.id])
    return jobs[job.id], run
