"""What a request to create jobs would make: the same checks as for real, and nothing written."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from duebook_api.http.problems import MOST_FAULTS, Fault, Problem, invalid
from duebook_api.jobs.commands import checked, queue_pointers
from duebook_api.jobs.keys import find_job_ids, key_pointers, must_differ, taken_keys
from duebook_api.schemas import views
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.first_times import takes_long
from duebook_api.schemas.missing_executor import ServedTasks
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.task_catalogue import TaskSchemas
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import Job
from duebook_common.domain.schedule.nominal import nominal_times
from duebook_common.store.database import acquire
from duebook_common.store.rows import load_jobs

_SHOWN = 10  # times
_READ_AT_ONCE = 20  # jobs
_INSTANT = timedelta(microseconds=1)


async def plans(
    deps: Dependencies, bodies: Sequence[JobBody], root: str, *, replace: bool = False
) -> list[dict[str, Any]]:
    """The jobs that these bodies would make; raises Problem with every refusal, its pointers beginning with `root`.

    With `replace` a body takes the place of the job with its key, instead of being refused.
    """
    now, schemas = deps.clock.now(), await deps.task_schemas()
    definitions = await _definitions(deps, bodies, root, now, schemas, replace=replace)
    must_differ(definitions, root)
    if not replace and (taken := await taken_keys(deps, key_pointers(definitions, root))):
        raise invalid(*taken)
    await deps.queue_names.must_admit(deps.pool, queue_pointers(definitions, root))
    return [await _plan(deps, definition, now, schemas.served) for definition in definitions]


async def _definitions(
    deps: Dependencies, bodies: Sequence[JobBody], root: str, now: datetime, schemas: TaskSchemas, *, replace: bool
) -> list[Definition]:
    definitions: list[Definition] = []
    faults: list[Fault] = []
    async for n, body, job in _with_current(deps, bodies, replace=replace):
        try:
            definitions.append(await checked(deps, body, now, schemas, root.format(n), job))
        except Problem as problem:
            if problem.status != 422:
                raise
            faults += problem.faults
        if len(faults) >= MOST_FAULTS:
            break
    if faults:
        raise invalid(*faults[:MOST_FAULTS])
    return definitions


async def _with_current(
    deps: Dependencies, bodies: Sequence[JobBody], *, replace: bool
) -> AsyncIterator[tuple[int, JobBody, Job | None]]:
    """Each body with its number and the job that it replaces. These are read a few at a time: they may be large."""
    for first in range(0, len(bodies), _READ_AT_ONCE):
        some = bodies[first : first + _READ_AT_ONCE]
        current = await _current(deps, some) if replace else {}
        for n, body in enumerate(some, first):
            yield n, body, current.get(body.key or "")


async def _current(deps: Dependencies, bodies: Sequence[JobBody]) -> dict[str, Job]:
    """By key the jobs that exist."""
    ids = await find_job_ids(deps, [body.key for body in bodies if body.key is not None])
    async with acquire(deps.pool) as db:
        jobs = await load_jobs(db, ids.values())
    return {key: jobs[id_] for key, id_ in ids.items() if id_ in jobs}


async def _plan(deps: Dependencies, definition: Definition, now: datetime, served: ServedTasks) -> dict[str, Any]:
    times = await deps.definition_search.run(takes_long(definition), next_times, definition, now)
    job = views.definition(definition)
    return {"job": job, "times": times, "warnings": views.warnings(definition, served)}


def next_times(definition: Definition, now: datetime) -> list[datetime]:
    """The next ten nominal times from now on; if none is left, the first one, which is due at once."""
    count = min(_SHOWN, definition.max_runs or _SHOWN)
    coming = list(islice(nominal_times(definition, now - _INSTANT), count))
    return coming or list(islice(nominal_times(definition), 1))
