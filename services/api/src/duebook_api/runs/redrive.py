"""Sending dead letters again, one or many."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_api.http.filters import dead_letter_conditions, where
from duebook_api.http.problems import not_found
from duebook_api.schemas.bodies import DeadLetterFilter, RedriveBody, RedriveManyBody
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.errors import JobDeletedAlready
from duebook_common.domain.run.commands import RedriveRun
from duebook_common.domain.run.state import Run
from duebook_common.store.actor import Actor
from duebook_common.store.database import acquire
from duebook_common.store.run_handling import RunWork, handle_runs

_AT_ONCE = 500
_RUN = """
SELECT r.max_attempts, r.task, r.job_id, j.status = 'deleted' AS gone FROM runs r JOIN jobs j USING (job_id)
WHERE r.run_id = $1
"""


async def redrive(deps: Dependencies, run_id: UUID, body: RedriveBody, actor: Actor) -> Run:
    """The run, due again at once; raises Problem 404, or why it is refused."""
    async with acquire(deps.pool) as db:
        found: Any = await db.fetchrow(_RUN, run_id)
    if found is None:
        raise not_found(f"dead letter {run_id}")
    if found["gone"]:
        raise JobDeletedAlready(found["job_id"])
    own_payload = "payload" in body.model_fields_set
    if own_payload:
        (await deps.task_schemas()).must_accept(found["task"], body.payload)
    command = RedriveRun(
        reason=body.reason,
        max_attempts=found["max_attempts"],
        now=deps.clock.now(),
        payload=body.payload,
        own_payload=own_payload,
    )
    decided = (await handle_runs(deps.pool, [RunWork(run_id, command)], actor))[0]
    if decided.error is not None or decided.run is None:
        raise decided.error or not_found(f"dead letter {run_id}")
    deps.hints.wake()
    return decided.run


async def redrive_many(deps: Dependencies, body: RedriveManyBody, actor: Actor) -> dict[str, int]:
    """Redrive what matches now; `invalid` counts what may not or could not be."""
    tally = {"matched": 0, "redriven": 0, "invalid": 0}
    place: tuple[datetime | None, UUID | None] = (None, None)
    while rows := await _matching(deps, body.filter, place):
        place = rows[-1]["created_at"], rows[-1]["run_id"]
        sound = [row for row in rows if not row["gone"]]
        redriven = 0 if body.dry_run else await _redrive(deps, sound, body, tally["redriven"], actor)
        tally["matched"] += len(rows)
        tally["redriven"] += redriven
        tally["invalid"] += len(rows) - (len(sound) if body.dry_run else redriven)
    return tally


# Oldest first, from place to place: one that dies again meanwhile is not met a second time.
_MATCHING = """
SELECT run_id, created_at, max_attempts,
       (SELECT status = 'deleted' FROM jobs WHERE jobs.job_id = runs.job_id) AS gone
FROM runs WHERE {} ORDER BY created_at, run_id LIMIT {}
"""


async def _matching(deps: Dependencies, f: DeadLetterFilter, place: tuple[datetime | None, UUID | None]) -> list[Any]:
    asked = dead_letter_conditions(f.job_id, f.task, f.queue, f.fingerprint)
    met, arguments = where(*asked, ("(created_at, run_id) > ({}, {})", *place))
    async with acquire(deps.pool) as db:
        return list(await db.fetch(_MATCHING.format(met, _AT_ONCE), *arguments))


async def _redrive(deps: Dependencies, rows: list[Any], body: RedriveManyBody, before: int, actor: Actor) -> int:
    """How many of them were redriven; `before` were by this request already."""
    now, apart = deps.clock.now(), 1 / body.rate if body.rate else 0.0
    work = [
        RunWork(row["run_id"], RedriveRun(body.reason, row["max_attempts"], now, delay=timedelta(seconds=n * apart)))
        for n, row in enumerate(rows, before)
    ]
    decided = await handle_runs(deps.pool, work, actor)
    deps.hints.wake()
    return sum(bool(each.events) for each in decided)
