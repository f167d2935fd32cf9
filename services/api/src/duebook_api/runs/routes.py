"""Runs: list, show, cancel."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.access.permits import may_read_payloads
from duebook_api.history.archived import archived_run, missing_run
from duebook_api.history.as_of import run_as_of
from duebook_api.http.idempotency import idempotency_key
from duebook_api.http.paging import AsOf, WaitQuery, page_of, query
from duebook_api.http.path_ids import PathId
from duebook_api.http.problems import Fault, invalid, not_found
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_optional, validated
from duebook_api.http.search import read_listing
from duebook_api.jobs.waiting import wait_for_run, wait_reserved
from duebook_api.runs import rerun
from duebook_api.runs.of_tag import run_listing
from duebook_api.runs.payloads import WITH_PAYLOAD, payload_of
from duebook_api.runs.run_list import RunQuery
from duebook_api.schemas import answers, views
from duebook_api.schemas.bodies import NothingBody, ReasonBody
from duebook_api.state.dependencies import Dependencies, actor, dependencies
from duebook_common.domain.run.commands import CancelRun, RunCommand
from duebook_common.domain.run.state import Run
from duebook_common.runtime.scopes import Scope
from duebook_common.store.actor import Actor
from duebook_common.store.database import Connection, acquire
from duebook_common.store.rows import load_runs_to_decide
from duebook_common.store.run_handling import RunWork, handle_runs

router = APIRouter(prefix="/api/run", tags=["runs"])


@router.get("", openapi_extra=operation(Scope.RUNS_READ, query=RunQuery), response_model=answers.Page[answers.Run])
async def list_runs(request: Request) -> Response:
    """Newest first (`-created_at`), unless `sort` names another order.

    With a range of times the default is `-due_at` or `-finished_at`, except for the runs of one job and for statuses
    that few runs have. An order by `finished_at` lists only runs that have one.

    `trigger`, `executor`, `tag`, `q` and some combinations are searched for, in 50,000 runs for one page: it may have
    fewer items than its limit, or none, while its `next_cursor` continues the search.
    """
    return reply(await find_runs(dependencies(request), query(request, RunQuery)))


async def find_runs(deps: Dependencies, q: RunQuery) -> views.View:
    """One page of the list of runs."""
    listing = await run_listing(deps.pool, q)
    found = await read_listing(deps.pool, listing, q.limit)
    order = listing.order.of
    return page_of(found.rows, q, views.listed_run, order, more=found.more, searched_to=found.searched_to)


class RunDetailQuery(AsOf, WaitQuery):
    pass


@router.get(
    "/{run_id}", openapi_extra=operation(Scope.RUNS_READ, query=RunDetailQuery), response_model=answers.RunWithPayload
)
async def show_run(request: Request, run_id: PathId) -> Response:
    """The run now, with the progress of its last attempt, or as it was at `as_of`.

    With its payload, if the key has the scope `payloads:read`. With `wait` the answer comes when the run has ended or
    become a dead letter, or after that time.
    """
    q, with_payload = query(request, RunDetailQuery), may_read_payloads(request)
    if q.wait is not None:
        if q.as_of is not None:
            raise invalid(Fault("/wait", "the past does not change; leave `wait` or `as_of` out"))
        await find_run(dependencies(request), run_id, with_payload=False)
        with wait_reserved(request, q.wait):
            await wait_for_run(request, run_id, q.wait)
    return reply(await find_run(dependencies(request), run_id, q.as_of, with_payload=with_payload))


async def find_run(
    deps: Dependencies, run_id: UUID, as_of: datetime | None = None, *, with_payload: bool
) -> views.View:
    """The run now, or as it was at `as_of`; raises Problem 404."""
    async with acquire(deps.pool) as db:
        if as_of is not None:
            run, period = await run_as_of(db, run_id, as_of)
            if period is not None:
                return views.run(run) | {"archived": period}
            return views.run(run) | ({"payload": await payload_of(db, run)} if with_payload else {})
        row: Any = await db.fetchrow(_SHOWN_WITH_PAYLOAD if with_payload else _SHOWN, run_id)
        if row is None:
            return await _archived(db, run_id)
    progress = {name: row[name] for name in _PROGRESS} if row["reported_at"] is not None else None
    payload = {"payload": row["effective_payload"]} if with_payload else {}
    return views.run_row(row) | payload | ({"progress": progress} if progress else {})


async def _archived(db: Connection, run_id: UUID) -> views.View:
    """What the ledger line of an archived run knows; raises Problem 404."""
    found = await archived_run(db, run_id)
    if found is None:
        raise not_found(f"run {run_id}")
    return views.run(found.run) | {"archived": found.period}


_PROGRESS = ("share", "text", "reported_at")
# What an earlier attempt has reported says nothing of the last one.
_SHOWN, _SHOWN_WITH_PAYLOAD = (
    f"""
    SELECT shown.*, share, text, reported_at FROM ({runs} WHERE run_id = $1) AS shown
    LEFT JOIN progress ON progress.run_id = shown.run_id AND progress.attempt = shown.attempt
    """  # noqa: S608
    for runs in ("SELECT * FROM runs", WITH_PAYLOAD)
)


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


@router.post(
    "/{run_id}/rerun",
    status_code=202,
    openapi_extra=operation(Scope.RUNS_WRITE, idempotent=True),
    response_model=answers.Run,
)
async def rerun_run(request: Request, run_id: PathId) -> Response:
    """Start a new run with the payload and the nominal time of a run that has ended, by the job's present definition.

    Its `cause` is the run that it repeats. A dead letter has not ended: it is redriven.
    """
    deps, key = dependencies(request), idempotency_key(request)
    validated(NothingBody, await read_optional(request))
    run, _ = await rerun_of(deps, run_id, key, actor(request))
    return reply(views.run(run), 202, {"Location": f"/api/run/{run.id}"})


async def rerun_of(deps: Dependencies, run_id: UUID, key: str | None, actor: Actor) -> tuple[Run, bool]:
    """As `rerun`; raises Problem 404 or 410 if there is no run to repeat."""
    async with acquire(deps.pool) as db:
        runs = await load_runs_to_decide(db, [run_id])
        if run_id not in runs:
            raise await missing_run(db, run_id)
    return await rerun.rerun(deps, runs[run_id], key, actor)


async def execute(deps: Dependencies, run_id: UUID, command: RunCommand, actor: Actor) -> Run:
    """The run after the command; raises Problem 404 or 410, or the reason why the command is refused."""
    decided = (await handle_runs(deps.pool, [RunWork(run_id, command)], actor))[0]
    if decided.error is not None:
        raise decided.error
    if decided.run is None:
        async with acquire(deps.pool) as db:
            raise await missing_run(db, run_id)
    return decided.run


BUSY = (show_run,)
