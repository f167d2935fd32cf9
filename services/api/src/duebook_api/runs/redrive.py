"""Redrives: dead letters become due again, one run or all that match a filter."""

import time
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_api.bulk.operations import Request, open_operation, show
from duebook_api.http.problems import not_found
from duebook_api.schemas.bodies import RedriveBody, RedriveManyBody
from duebook_api.schemas.bulk import to_filter
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.bulk.decide import JOB_DELETED, TOO_MANY_ACTIVE_RUNS
from duebook_common.domain.bulk.events import BulkAction, BulkFilter
from duebook_common.domain.bulk.progress import Progress, left
from duebook_common.domain.bulk.state import BulkOperation
from duebook_common.domain.errors import CommandRejected, JobDeletedAlready
from duebook_common.domain.run.commands import RedriveRun
from duebook_common.domain.run.state import Run
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor
from duebook_common.store.bulk_targets import count_targets
from duebook_common.store.database import UNAVAILABLE, acquire
from duebook_common.store.run_handling import RunWork, handle_runs

_AT_ONCE, _SECONDS = 1_000, 5.0  # a request redrives so many dead letters itself, for so long

_RUN = """
SELECT r.max_attempts, r.task, r.job_id, j.status = 'deleted' AS job_deleted FROM runs r JOIN jobs j USING (job_id)
WHERE r.run_id = $1
"""


async def redrive(deps: Dependencies, run_id: UUID, body: RedriveBody, actor: Actor) -> Run:
    """Make one dead letter due again at once.

    Raises Problem 404, Problem 422 if its task does not accept the payload, JobDeletedAlready, WrongStatus if the run
    is no dead letter, and TooManyActiveRuns.
    """
    async with acquire(deps.pool) as db:
        row: Any = await db.fetchrow(_RUN, run_id)
    if row is None:
        raise not_found(f"dead letter {run_id}")
    if row["job_deleted"]:
        raise JobDeletedAlready(row["job_id"])
    own_payload = "payload" in body.model_fields_set
    if own_payload:
        (await deps.task_schemas()).must_accept(row["task"], body.payload)
    command = RedriveRun(
        reason=body.reason,
        max_attempts=row["max_attempts"],
        now=deps.clock.now(),
        payload=body.payload,
        own_payload=own_payload,
        max_active=deps.max_active_runs,
    )
    [result] = await handle_runs(deps.pool, [RunWork(run_id, command)], actor)
    if result.error is not None or result.run is None:
        raise result.error or not_found(f"dead letter {run_id}")
    deps.hints.wake()
    return result.run


async def redrive_many(deps: Dependencies, body: RedriveManyBody, actor: Actor) -> dict[str, Any]:
    """Redrive the dead letters that match, as a bulk operation; `reasons` say why the `invalid` ones cannot be.

    The first ones are redriven here, at a rate one; a scheduler redrives those that are `pending` when their turn has
    come. `left` counts those with which their job would have too many active runs; raises TooManyActiveRuns if that
    holds for all. Raises Problem 429 if the key has too many running operations.
    """
    filter_ = to_filter(body.filter)
    if body.dry_run:
        return await _count(deps, filter_, actor.name)
    wanted = Request(BulkAction.REDRIVE, filter_, body.reason, body.rate, body.limit)
    row = await open_operation(deps, uuids.uuid7(), wanted, actor)
    refusal = await _execute(deps, row.bulk, actor)
    row = await show(deps, row.bulk.id)
    progress = row.progress or Progress()
    if left(row.bulk, progress) and row.bulk.limit is None:
        progress = await _with_deleted(deps, row.bulk, progress)
    return _summary(row.bulk, progress, refusal)


async def _with_deleted(deps: Dependencies, bulk: BulkOperation, progress: Progress) -> Progress:
    """The progress as if the pending dead letters of deleted jobs were refused already, as they will be."""
    async with deps.large_counts.slot(bulk.requested_by), acquire(deps.pool) as db:
        deleted = await count_targets(db, bulk.action, bulk.filter, bulk.requested_at, of_deleted_jobs=True)
    return replace(progress, refused=progress.refused | {JOB_DELETED: deleted}) if deleted else progress


async def _count(deps: Dependencies, filter_: BulkFilter, client: str) -> dict[str, Any]:
    """What a redrive would do."""
    async with deps.large_counts.slot(client), acquire(deps.pool) as db:
        now = deps.clock.now()
        matched = await count_targets(db, BulkAction.REDRIVE, filter_, now)
        deleted = await count_targets(db, BulkAction.REDRIVE, filter_, now, of_deleted_jobs=True)
    reasons = {"reasons": {JOB_DELETED: deleted}} if deleted else {}
    return {"matched": matched, "redriven": 0, "invalid": deleted} | reasons


async def _execute(deps: Dependencies, bulk: BulkOperation, actor: Actor) -> CommandRejected | None:
    """Redrive the first dead letters, as far as the rate allows at once; returns the first refusal."""
    executor = BulkExecutor(deps.pool, BulkLimits(deps.misfire, deps.max_active_runs), actor)
    dealt_with, refusal, until = 0, None, time.monotonic() + _SECONDS
    while dealt_with < _AT_ONCE and time.monotonic() < until:
        try:
            step = await executor.step(bulk.id, deps.clock.now(), wait=True)
        except UNAVAILABLE:
            break  # it is recorded: a scheduler goes on with it
        dealt_with, refusal = dealt_with + step.dealt_with, refusal or step.refusal
        deps.hints.wake()
        if step.goes_on_at is None or bulk.rate is not None:
            break
    return refusal


def _summary(bulk: BulkOperation, progress: Progress, refusal: CommandRejected | None) -> dict[str, Any]:
    reasons = Counter(progress.refused)
    too_many = reasons.pop(TOO_MANY_ACTIVE_RUNS, 0)
    pending = left(bulk, progress)
    accepted = progress.done + pending
    if refusal is not None and too_many and not accepted:
        raise refusal
    dealt_with = progress.done + too_many + reasons.total()
    summary = {"matched": max(bulk.matched, dealt_with), "redriven": accepted, "invalid": reasons.total()}
    more = {"left": too_many, "pending": pending, "reasons": dict(reasons)}
    return summary | {"bulk": bulk.id} | {name: value for name, value in more.items() if value}
