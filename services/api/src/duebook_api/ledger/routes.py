"""The ledger of a job and its backfill over HTTP."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.http.paging import PageQuery, Time, decode_cursor, page, query, utc_time
from duebook_api.http.path_ids import PathJobId
from duebook_api.http.problems import Fault, invalid
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_json, validated
from duebook_api.ledger.backfill import backfill, plan
from duebook_api.ledger.ledger import job_ledger
from duebook_api.ledger.summary import SummaryQuery, ledger_summary
from duebook_api.schemas import answers, plans, views
from duebook_api.schemas.bodies import BackfillBody
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.domain.job.ledger import totals
from duebook_common.runtime.scopes import Scope

router = APIRouter(prefix="/api/job", tags=["jobs"])


class LedgerQuery(PageQuery):
    start: Annotated[Time | None, Field(alias="from")] = None
    end: Annotated[Time | None, Field(alias="to")] = None


@router.get(
    "/{job_id}/ledger", openapi_extra=operation(Scope.JOBS_READ, query=LedgerQuery), response_model=answers.Ledger
)
async def show_ledger(request: Request, job_id: PathJobId) -> Response:
    """The nominal times in [from, to) up to now, each with its outcome. The totals are those of the whole range."""
    q, deps = query(request, LedgerQuery), dependencies(request)
    if q.start is not None and q.end is not None and q.start > q.end:
        raise invalid(Fault("/from", "this is later than `to`"))
    after = decode_cursor(q, utc_time)
    entries = await job_ledger(deps.pool, job_id, q.start, q.end, deps.clock.now())
    rest = [entry for entry in entries if after is None or entry.nominal_at > after[0]]
    return page(rest, q, views.ledger_entry, lambda entry: [entry.nominal_at], **totals(entries)._asdict())


@router.get(
    "/{job_id}/ledger/summary",
    openapi_extra=operation(Scope.JOBS_READ, query=SummaryQuery),
    response_model=answers.LedgerSummary,
)
async def show_ledger_summary(request: Request, job_id: PathJobId) -> Response:
    """The ledger in numbers: for each day or month of a time zone how many nominal times had which outcome.

    Steps without a nominal time are left out. The first and the last step are whole, up to now.
    """
    q, deps = query(request, SummaryQuery), dependencies(request)
    async with deps.large_counts.slot(actor(request).name):
        return reply(await ledger_summary(deps.pool, job_id, q, deps.clock.now()))


@router.post(
    "/{job_id}/backfill",
    status_code=202,
    openapi_extra=operation(Scope.RUNS_WRITE, BackfillBody),
    response_model=answers.Items[answers.Run],
    responses={200: {"model": plans.BackfillPlan, "description": "A dry run: what would be made"}},
)
async def backfill_job(request: Request, job_id: PathJobId) -> Response:
    """Create runs for the past nominal times in [from, to) that did not run.

    A repeated request creates nothing and returns the same runs. With `dry_run` nothing is created.
    """
    value, _ = await read_json(request)
    body = validated(BackfillBody, value)
    if body.dry_run:
        return reply(await plan(dependencies(request), job_id, body))
    runs = await backfill(dependencies(request), job_id, body, actor(request))
    return reply({"items": [views.run(run) for run in runs]}, 202)
