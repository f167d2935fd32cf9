"""Runs: list, show, cancel."""

from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.access.permits import may_read_payloads
from duebook_api.history.as_of import run_as_of
from duebook_api.http.filters import Condition, Statement, is_cut, newest_first, newest_first_of_union, within_bytes
from duebook_api.http.paging import RUNS, AsOf, Id, PageQuery, Text, page_of, query
from duebook_api.http.path_ids import PathId
from duebook_api.http.problems import not_found
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_optional, validated
from duebook_api.runs.payloads import WITH_PAYLOAD, payload_of
from duebook_api.schemas import answers, views
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.schemas.listed import LISTED_RUNS, RUN_BYTES
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.run.commands import CancelRun, RunCommand
from duebook_common.domain.run.state import ENDED, Run, RunStatus
from duebook_common.runtime.scopes import Scope
from duebook_common.store.actor import Actor
from duebook_common.store.database import acquire
from duebook_common.store.run_handling import RunWork, handle_runs

router = APIRouter(prefix="/api/run", tags=["runs"])

Status = Literal[
    "waiting",
    "dispatched",
    "running",
    "retrying",
    "succeeded",
    "dead_lettered",
    "cancelled",
    "skipped",
    "discarded",
]


class RunQuery(PageQuery):
    status: Status | None = None
    job_id: Id | None = None
    task: Text | None = None
    queue: Text | None = None


# The indexes by task and queue hold only runs without `wake_at`: the few others are updated too often.
_AT_REST, _TO_WAKE = ("wake_at IS NULL",), ("wake_at IS NOT NULL",)


def statement(q: RunQuery) -> Statement:
    """The page of runs, as conditions for which there is an index."""
    conditions: list[Condition] = [("job_id = {}", q.job_id), ("task = {}", q.task), ("queue = {}", q.queue)]
    if q.status is not None:
        conditions += _in_status(q.status)
    elif q.job_id is None and (q.task is not None or q.queue is not None):
        union = newest_first_of_union(_RUNS, RUNS, q, [*conditions, _AT_REST], [*conditions, _TO_WAKE])
        return within_bytes(union, RUNS, LISTED_RUNS, RUN_BYTES)
    return within_bytes(newest_first(_RUNS, RUNS, q, *conditions), RUNS, LISTED_RUNS, RUN_BYTES)


def _in_status(status: Status) -> list[Condition]:
    """The status as a constant in the SQL, and what else its partial index needs.

    The statuses that need nothing else have an index by status.
    """
    named = (f"status = '{status}'",)
    if status in ENDED:
        return [named, _AT_REST]
    return [named, _TO_WAKE] if status in {RunStatus.DISPATCHED, RunStatus.RUNNING} else [named]


@router.get("", openapi_extra=operation(Scope.RUNS_READ, query=RunQuery), response_model=answers.Page[answers.Run])
async def list_runs(request: Request) -> Response:
    """Newest first."""
    return reply(await find_runs(dependencies(request), query(request, RunQuery)))


async def find_runs(deps: Dependencies, q: RunQuery) -> views.View:
    """A page of runs."""
    sql, arguments = statement(q)
    async with acquire(deps.pool) as db:
        rows: list[Any] = await db.fetch(sql, *arguments)
    return page_of(rows, q, views.listed_run, RUNS.of, more=is_cut(rows))


@router.get("/{run_id}", openapi_extra=operation(Scope.RUNS_READ, query=AsOf), response_model=answers.RunWithPayload)
async def show_run(request: Request, run_id: PathId) -> Response:
    """The run now, or as it was at `as_of`; with its payload, if the key has the scope `payloads:read`."""
    q, with_payload = query(request, AsOf), may_read_payloads(request)
    async with acquire(dependencies(request).pool) as db:
        if q.as_of is not None:
            run = await run_as_of(db, run_id, q.as_of)
            return reply(views.run(run) | ({"payload": await payload_of(db, run)} if with_payload else {}))
        row: Any = await db.fetchrow(f"{WITH_PAYLOAD if with_payload else _RUNS} WHERE run_id = $1", run_id)
    if row is None:
        raise not_found(f"run {run_id}")
    return reply(views.run_row(row) | ({"payload": row["effective_payload"]} if with_payload else {}))


_RUNS = "SELECT * FROM runs"


@router.post(
    "/{run_id}/cancel",
    status_code=202,
    openapi_extra=operation(Scope.RUNS_WRITE, ReasonBody, required=False),
    response_model=answers.Run,
)
async def cancel_run(request: Request, run_id: PathId) -> Response:
    """Cancel a run. If it has not started, it is cancelled at once; a running one is interrupted by its executor."""
    deps = dependencies(request)
    body = validated(ReasonBody, await read_optional(request))
    run = await execute(deps, run_id, CancelRun(body.reason, deps.clock.now()), actor(request))
    deps.hints.cancel(run_id)
    return reply(views.run(run), 202)


async def execute(deps: Dependencies, run_id: UUID, command: RunCommand, actor: Actor) -> Run:
    """The run after the command; raises Problem 404, or the reason why the command is refused."""
    decided = (await handle_runs(deps.pool, [RunWork(run_id, command)], actor))[0]
    if decided.error is not None:
        raise decided.error
    if decided.run is None:
        raise not_found(f"run {run_id}")
    return decided.run
