"""Bulk operations over HTTP."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from duebook_api.access.operation import operation
from duebook_api.access.permits import ANY_KEY
from duebook_api.bulk import operations
from duebook_api.bulk.operations import ORDER, BulkQuery, must_be_allowed
from duebook_api.http.idempotency import idempotency_key
from duebook_api.http.paging import NoQuery, page, query
from duebook_api.http.path_ids import PathId
from duebook_api.http.replies import reply
from duebook_api.http.requests import read_json, read_optional, validated
from duebook_api.jobs.keys import Reference, resolve
from duebook_api.schemas import answers, bulk
from duebook_api.schemas.bodies import ReasonBody
from duebook_api.schemas.bulk import BulkBody, view
from duebook_api.state.dependencies import actor, dependencies
from duebook_common.domain.bulk.events import BulkAction
from duebook_common.store.bulk_rows import of_record

router = APIRouter(prefix="/api/bulk", tags=["bulk operations"])


@router.post(
    "",
    status_code=202,
    openapi_extra=operation(ANY_KEY, BulkBody, idempotent=True),
    response_model=bulk.BulkOperation,
    responses={200: {"model": bulk.BulkCount, "description": "A dry run: how many targets match now"}},
)
async def request_bulk(request: Request) -> Response:
    """Act on all jobs, runs or dead letters that match the filter, at most `rate` a second; a dry run only counts them.

    It needs the scope of the action: `jobs:write` to pause, resume and delete, `runs:write` to trigger and cancel,
    `dead-letters:write` to redrive and discard. A target is what existed at the request and still matches when it is
    reached. Each is dealt with once, oldest first, by a scheduler. An empty filter is refused: `{"all": true}` is all.
    """
    key, deps = idempotency_key(request), dependencies(request)
    value, _ = await read_json(request)
    body = validated(BulkBody, value)
    must_be_allowed(request.state.scopes, BulkAction(body.action), write=True)
    await resolve(deps, Reference(body.filter, "job_id", "/filter/job_id"))
    if body.dry_run:
        filter_ = operations.checked_filter(body)
        return reply({"matched": await operations.count(deps, BulkAction(body.action), filter_, actor(request).name)})
    row = await operations.request(deps, body, actor(request), key, value)
    return reply(view(row, deps.clock.now()), 202, {"Location": f"/api/bulk/{row.bulk.id}"})


@router.get("", openapi_extra=operation(ANY_KEY, query=BulkQuery), response_model=answers.Page[bulk.BulkOperation])
async def list_bulk(request: Request) -> Response:
    """Newest first; those whose targets the key may read."""
    q, deps = query(request, BulkQuery), dependencies(request)
    rows = await operations.list_operations(deps, q, request.state.scopes)
    now = deps.clock.now()
    return page(rows, q, lambda row: view(of_record(row), now), ORDER.of)


@router.get("/{bulk_id}", openapi_extra=operation(ANY_KEY), response_model=bulk.BulkOperation)
async def show_bulk(request: Request, bulk_id: PathId) -> Response:
    """The operation with its progress, and what became of its runs. It needs the scope to read its targets."""
    query(request, NoQuery)
    deps = dependencies(request)
    row = await operations.show(deps, bulk_id)
    must_be_allowed(request.state.scopes, row.bulk.action, write=False)
    outcomes = await operations.outcomes(deps, row.bulk, actor(request).name)
    return reply(view(row, deps.clock.now()) | {"outcomes": outcomes})


@router.post(
    "/{bulk_id}/abort",
    status_code=202,
    openapi_extra=operation(ANY_KEY, ReasonBody, required=False),
    response_model=bulk.BulkOperation,
)
async def abort_bulk(request: Request, bulk_id: PathId) -> Response:
    """Stop the operation: after the answer it acts on no further target. What was done stays done.

    It needs the scope of the action.
    """
    deps = dependencies(request)
    body = validated(ReasonBody, await read_optional(request))
    row = await operations.show(deps, bulk_id)
    must_be_allowed(request.state.scopes, row.bulk.action, write=True)
    aborted = await operations.abort(deps, bulk_id, body.reason, actor(request))
    return reply(view(aborted, deps.clock.now()), 202)
