"""Redrives: dead letters become due again, one run or all that match a filter."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from duebook_api.http.filters import dead_letter_conditions, where
from duebook_api.http.paging import RUNS
from duebook_api.http.problems import not_found
from duebook_api.schemas.bodies import DeadLetterFilter, RedriveBody, RedriveManyBody
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.errors import JobDeletedAlready, TooManyActiveRuns
from duebook_common.domain.run.commands import RedriveRun
from duebook_common.domain.run.state import Run
from duebook_common.store.actor import Actor
from duebook_common.store.database import acquire
from duebook_common.store.run_handling import CommandResult, RunWork, handle_runs

_BATCH = 500  # runs in one commit

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


class _After(NamedTuple):
    """The sort key of the last dead letter read; None at the start."""

    created_at: datetime | None = None
    nominal_at: datetime | None = None
    run_id: UUID | None = None


async def redrive_many(deps: Dependencies, body: RedriveManyBody, actor: Actor) -> dict[str, Any]:
    """Redrive the dead letters that match; `reasons` say why the `invalid` ones cannot be, if there are any.

    `left`, if there are any, counts those with which their job would have too many active runs. Raises
    TooManyActiveRuns if that holds for all.
    """
    counts, reasons, refusal = Counter[str](), Counter[str](), None
    after = _After()
    while rows := await _matching(deps, body.filter, after):
        after = _After(*RUNS.of(rows[-1]))
        valid = [row for row in rows if not row["job_deleted"]]
        results = [] if body.dry_run else await _redrive(deps, valid, body, counts["redriven"], actor)
        left = [result.error for result in results if isinstance(result.error, TooManyActiveRuns)]
        redriven, refusal = sum(bool(result.events) for result in results), refusal or next(iter(left), None)
        counts += Counter(matched=len(rows), redriven=redriven, left=len(left))
        reasons += Counter({_DELETED: len(rows) - len(valid), _CHANGED: len(results) - redriven - len(left)})
    if refusal is not None and not counts["redriven"]:
        raise refusal
    return _summary(counts, reasons)


_DELETED, _CHANGED = "the job is deleted", "it was redriven, discarded or changed meanwhile"


def _summary(counts: Counter[str], reasons: Counter[str]) -> dict[str, Any]:
    summary = {"matched": counts["matched"], "redriven": counts["redriven"], "invalid": reasons.total()}
    more = {"left": counts["left"], "reasons": dict(reasons)}
    return summary | {name: value for name, value in more.items() if value}


# Oldest first: a redriven run that dies again lies before the sort key and is not redriven twice.
_MATCHING = """
SELECT run_id, created_at, nominal_at, max_attempts,
       (SELECT status = 'deleted' FROM jobs WHERE jobs.job_id = runs.job_id) AS job_deleted
FROM runs WHERE {} ORDER BY created_at, nominal_at, run_id LIMIT {}
"""


async def _matching(deps: Dependencies, filter_: DeadLetterFilter, after: _After) -> list[Any]:
    conditions = dead_letter_conditions(filter_.job_id, filter_.task, filter_.queue, filter_.fingerprint)
    condition, arguments = where(*conditions, ("(created_at, nominal_at, run_id) > ({}, {}, {})", *after))
    async with acquire(deps.pool) as db:
        return list(await db.fetch(_MATCHING.format(condition, _BATCH), *arguments))


async def _redrive(
    deps: Dependencies, rows: list[Any], body: RedriveManyBody, before: int, actor: Actor
) -> list[CommandResult]:
    """Redrive one batch, spread over time by `rate`; this request has redriven `before` runs already."""
    now, interval = deps.clock.now(), timedelta(seconds=1 / body.rate if body.rate else 0)
    work = [
        RunWork(
            row["run_id"],
            RedriveRun(body.reason, row["max_attempts"], now, delay=n * interval, max_active=deps.max_active_runs),
        )
        for n, row in enumerate(rows, before)
    ]
    results = await handle_runs(deps.pool, work, actor)
    deps.hints.wake()
    return results
