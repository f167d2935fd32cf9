"""Bulk operations as clients command them: request, count, list, show and abort. A scheduler executes them."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import uuid_utils.compat as uuids
from pydantic import Field

from duebook_api.http.filters import Condition, newest_first
from duebook_api.http.paging import PageQuery, SortOrder, utc_time
from duebook_api.http.problems import Fault, Problem, invalid, not_found
from duebook_api.jobs.derived_ids import derived_id
from duebook_api.jobs.requests import request_hash
from duebook_api.schemas.bulk import BulkBody, faults_of, to_filter
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.bulk.events import ON_JOBS, BulkAction, BulkFilter, BulkRequested
from duebook_common.domain.bulk.state import BulkOperation
from duebook_common.domain.errors import KeyReused
from duebook_common.runtime.scopes import Scope, allowed
from duebook_common.store import bulk_rows
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_handling import abort_bulk, request_bulk
from duebook_common.store.bulk_rows import WITH_PROGRESS, BulkRow, count_running, load_bulk
from duebook_common.store.bulk_targets import count_targets
from duebook_common.store.database import acquire

MOST_RUNNING = 20
"""How many operations of one key may be running."""

ORDER = SortOrder(("requested_at", "bulk_id"), (utc_time, UUID))


class Request(NamedTuple):
    """What a client wants; the fields are those of `BulkRequested`."""

    action: BulkAction
    filter: BulkFilter
    reason: str
    rate: float | None = None
    limit: int | None = None


class BulkQuery(PageQuery):
    status: Literal["running", "aborted", "ended"] | None = None
    action: Annotated[str, Field(max_length=20)] | None = None


def scopes_of(action: BulkAction) -> tuple[Scope, Scope]:
    """The scopes that the targets of this action need, to read and to change them."""
    if action in ON_JOBS - {BulkAction.TRIGGER}:
        return Scope.JOBS_READ, Scope.JOBS_WRITE
    if action in {BulkAction.TRIGGER, BulkAction.CANCEL}:
        return Scope.RUNS_READ, Scope.RUNS_WRITE
    return Scope.DEAD_LETTERS_READ, Scope.DEAD_LETTERS_WRITE


def must_be_allowed(held: Collection[str], action: BulkAction, *, write: bool) -> None:
    """Raises Problem 403 if the key lacks the scope of the action."""
    scope = scopes_of(action)[write]
    if not allowed(held, scope):
        raise Problem(403, "scope_missing", f"this needs a key with the scope {scope}, which yours does not have")


def checked_filter(body: BulkBody) -> BulkFilter:
    """The filter; raises Problem 422 if it does not fit the action, or is empty."""
    faults = faults_of(BulkAction(body.action), body.filter)
    if faults:
        raise invalid(*(Fault(f"/filter/{name}".rstrip("/"), text) for name, text in faults.items()))
    return to_filter(body.filter)


async def count(deps: Dependencies, action: BulkAction, filter_: BulkFilter, client: str) -> int:
    """How many targets match now. A client's counts follow one another."""
    async with deps.large_counts.slot(client), acquire(deps.pool) as db:
        return await count_targets(db, action, filter_, deps.clock.now())


async def request(deps: Dependencies, body: BulkBody, actor: Actor, key: str | None, value: Any) -> BulkRow:
    """Record the operation; if the Idempotency-Key was used before, the result is the operation recorded then.

    Raises Problem 422 for an unfit filter, Problem 429 if the key has too many running operations, and KeyReused.
    """
    wanted = Request(BulkAction(body.action), checked_filter(body), body.reason or "", body.rate, body.limit)
    if key is None:
        return await open_operation(deps, uuids.uuid7(), wanted, actor)
    bulk_id, hash_ = derived_id(f"bulk\n{actor.name}\n{key}"), request_hash(value)
    row = await find(deps, bulk_id) or await open_operation(deps, bulk_id, wanted, actor, hash_)
    if row.bulk.request_hash != hash_:
        raise KeyReused
    return row


async def open_operation(
    deps: Dependencies, bulk_id: UUID, wanted: Request, actor: Actor, hash_: str | None = None
) -> BulkRow:
    """Record a new operation, or find the one that another request has just recorded; raises Problem 429."""
    now = deps.clock.now()
    async with acquire(deps.pool) as db:
        if await count_running(db, actor.name) >= MOST_RUNNING:
            raise _too_many()
    matched = await count(deps, wanted.action, wanted.filter, actor.name)
    event = BulkRequested(**wanted._asdict(), matched=matched, request_hash=hash_, at=now)
    await request_bulk(deps.pool, bulk_id, event, actor)
    return await show(deps, bulk_id)


def _too_many() -> Problem:
    return Problem(
        429,
        "too_many_bulk_operations",
        f"{MOST_RUNNING} bulk operations of this key are running; wait until one has ended, or abort one",
        headers={"Retry-After": "10"},
    )


async def find(deps: Dependencies, bulk_id: UUID) -> BulkRow | None:
    """The operation, if there is one."""
    async with acquire(deps.pool) as db:
        return (await load_bulk(db, [bulk_id])).get(bulk_id)


async def show(deps: Dependencies, bulk_id: UUID) -> BulkRow:
    """The operation; raises Problem 404."""
    row = await find(deps, bulk_id)
    if row is None:
        raise not_found(f"bulk operation {bulk_id}")
    return row


async def outcomes(deps: Dependencies, bulk: BulkOperation, client: str) -> dict[str, int] | None:
    """What became of the runs that it acted on, by their status; None for an action on jobs."""
    async with deps.large_counts.slot(client), acquire(deps.pool) as db:
        return await bulk_rows.outcomes(db, bulk)


async def list_operations(deps: Dependencies, q: BulkQuery, held: Collection[str]) -> list[Any]:
    """The page of operations, newest first: those whose targets a key with these scopes may read."""
    readable = [action for action in BulkAction if allowed(held, scopes_of(action)[0])]
    conditions: list[Condition] = [
        ("status = {}", q.status),
        ("action = {}", q.action),
        ("action = ANY({}::text[])", readable),
    ]
    sql, arguments = newest_first(f"SELECT * FROM ({WITH_PROGRESS}) AS bulk", ORDER, q, *conditions)  # noqa: S608
    async with acquire(deps.pool) as db:
        return list(await db.fetch(sql, *arguments))


async def abort(deps: Dependencies, bulk_id: UUID, reason: str | None, actor: Actor) -> BulkRow:
    """Stop the operation; raises Problem 404, and WrongStatus if it has ended."""
    row = await abort_bulk(deps.pool, bulk_id, reason, actor, deps.clock.now())
    if row is None:
        raise not_found(f"bulk operation {bulk_id}")
    return row
