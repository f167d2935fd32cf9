"""The commands of clients on jobs, each as one transaction, and the hints that follow it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_api.history.archived import archived, archived_job_periods, missing_job
from duebook_api.http.problems import Fault, Problem, invalid
from duebook_api.http.requests import must_fit, validated
from duebook_api.jobs.chains import must_not_trigger_itself
from duebook_api.jobs.definition import define, must_be_accepted
from duebook_api.jobs.derived_ids import must_be_free_to_choose
from duebook_api.jobs.keys import find_job_ids, free_keys, key_pointers, must_differ
from duebook_api.jobs.preconditions import Preconditions
from duebook_api.jobs.read_only import must_equal, split_read_only
from duebook_api.jobs.requests import ChangeRequest, IdempotentRequest, TriggerRequest
from duebook_api.schemas.bodies import JobBody, is_queue
from duebook_api.schemas.first_times import takes_long
from duebook_api.schemas.task_defaults import with_task_defaults
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.task_catalogue import TaskSchemas
from duebook_common.domain.definition import Definition, Overlap
from duebook_common.domain.errors import JobDeletedAlready, JobKeyTaken, KeyReused
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.commands import JobCommand, TriggerRun
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.ids import run_id_for
from duebook_common.domain.run.state import Run
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import TRIES, Conflict
from duebook_common.store.database import Connection, acquire
from duebook_common.store.job_handling import Preparation, create_jobs, handle_job
from duebook_common.store.job_plan import CommandT, JobResult, NewJob
from duebook_common.store.rows import load_jobs

_SOON = timedelta(minutes=1)


async def create(
    deps: Dependencies, bodies: Sequence[JobBody], actor: Actor, idempotent: IdempotentRequest | None, root: str
) -> tuple[list[Job], bool]:
    """Create jobs, all or none; returns whether they are new: an Idempotency-Key brings the jobs of its first use.

    Raises Problem 422, or 409 if there would be too many queues, with pointers that start with `root`, and KeyReused.
    """
    now = deps.clock.now()
    hash_ = idempotent.hash if idempotent else None
    ids = [idempotent.id(actor, n) if idempotent else uuids.uuid7() for n in range(len(bodies))]
    schemas = await deps.task_schemas()
    try:
        definitions = [await checked(deps, body, now, schemas, root.format(n)) for n, body in enumerate(bodies)]
        must_differ(definitions, root)
        await deps.queue_names.admit(deps.pool, queue_pointers(definitions, root))
    except Problem:  # a repeat may be invalid by now: its end has passed, or there are too many queues
        if idempotent is None or (jobs := await _created_before(deps, ids, hash_)) is None:
            raise
        return jobs, False
    events = {
        id_: await deps.definition_search.run(takes_long(each), job_decide.create, id_, each, now, hash_)
        for id_, each in zip(ids, definitions, strict=True)
    }
    async with free_keys(deps, key_pointers(definitions, root)):
        jobs = await _append(deps, events, actor)
    if jobs is None:
        jobs = await _created_before(deps, ids, hash_)
        if jobs is None:
            raise KeyReused
        return jobs, False
    if any(job.next_at is not None and job.next_at <= now + _SOON for job in jobs):
        deps.hints.wake()
    return jobs, True


async def checked(
    deps: Dependencies,
    body: JobBody,
    now: datetime,
    schemas: TaskSchemas,
    root: str,
    replaced: Job | None = None,
) -> Definition:
    """The body's definition, in place of that of the job that is `replaced`, if there is one.

    Raises Problem 422 for what no such job may have, with pointers that begin with `root`.
    """
    current = None if replaced is None else replaced.definition
    body = with_task_defaults(body, schemas.defaults.of, current)
    first = now if current is None else current.scheduled_at
    definition = await deps.definition_search.run(takes_long(body), define, body, first, root)
    if replaced is not None:
        must_not_trigger_itself(definition, replaced.id, root)
    must_be_accepted(deps, schemas, definition, root, current)
    return definition


def queue_pointers(definitions: Sequence[Definition], root: str) -> dict[str, str]:
    """For each queue a JSON pointer to where it is named first."""
    pointers: dict[str, str] = {}
    for n, definition in enumerate(definitions):
        pointers.setdefault(definition.queue, f"{root.format(n)}/queue")
    return pointers


async def _append(deps: Dependencies, events: Mapping[UUID, JobCreated], actor: Actor) -> list[Job] | None:
    """The new jobs; None, and nothing written, if one of them exists already. Raises JobKeyTaken."""
    try:
        if len(events) > 1:
            return await create_jobs(deps.pool, events, actor)
        [(job_id, event)] = events.items()
        job = await deps.create_batcher.create(NewJob(job_id, event, actor))
    except JobKeyTaken:  # by itself, if the same request came twice at once
        async with acquire(deps.pool) as db:
            if not await load_jobs(db, list(events)):
                raise
        return None
    return None if job is None else [job]


async def _created_before(deps: Dependencies, ids: Sequence[UUID], hash_: str | None) -> list[Job] | None:
    """The jobs that an equal request has created; None if there was none. Raises Problem 410 if they are archived."""
    async with acquire(deps.pool) as db:
        jobs = await load_jobs(db, ids)
        if len(jobs) < len(ids):
            await _must_not_be_archived(db, ids)
    if len(jobs) < len(ids) or any(job.request_hash != hash_ for job in jobs.values()):
        return None
    return [jobs[id_] for id_ in ids]


async def _must_not_be_archived(db: Connection, job_ids: Sequence[UUID]) -> None:
    """Raises Problem 410: an archived job keeps its id, so that what a repeat asks for is not done again."""
    for job_id, period in (await archived_job_periods(db, job_ids)).items():
        raise archived(f"job {job_id}", period)


async def handle(
    deps: Dependencies, job_id: UUID, command: CommandT | Preparation[CommandT], actor: Actor
) -> JobResult[CommandT]:
    """Execute a command; raises Problem 404 or 410 if there is no such job."""
    result = await handle_job(deps.pool, job_id, command, actor)
    if result is None:
        async with acquire(deps.pool) as db:
            raise await missing_job(db, job_id)
    _send_hints(deps, result)
    return result


def _send_hints(deps: Dependencies, result: JobResult[JobCommand]) -> None:
    if result.facts:
        deps.hints.wake()
    for run_id in result.stopped:
        deps.hints.cancel(run_id)


async def patch(
    deps: Dependencies,
    job_id: UUID,
    value: dict[str, Any],
    actor: Actor,
    preconditions: Preconditions,
    whole: Collection[str] = (),
) -> Job:
    """Change the job by a merge patch (RFC 7396), or replace the fields that `whole` names; raises Problem 404."""
    change, read_only = split_read_only(value)
    if is_queue(queue := change.get("queue")):
        await deps.queue_names.admit(deps.pool, {queue: "/queue"})
    request = ChangeRequest(deps, await deps.task_schemas(), change, deps.clock.now(), preconditions, read_only, whole)
    keys = {key: "/key"} if isinstance(key := change.get("key"), str) else {}
    async with free_keys(deps, keys, job_id), deps.definition_search.reserved(request.takes_long):
        return (await handle(deps, job_id, request, actor)).job


async def replace(
    deps: Dependencies, job_id: UUID, value: dict[str, Any], actor: Actor, preconditions: Preconditions
) -> tuple[Job, bool]:
    """Replace the job's definition, or create the job; returns whether it is new.

    Raises Problem 409, 412, 413 or 422.
    """
    fields, read_only = split_read_only(value)
    body = validated(JobBody, fields)
    async with free_keys(deps, {body.key: "/key"} if body.key is not None else {}, job_id):
        return await _replace(deps, job_id, body, read_only, actor, preconditions)


async def replace_by_key(
    deps: Dependencies, key: str, value: dict[str, Any], actor: Actor, preconditions: Preconditions
) -> tuple[Job, bool]:
    """Replace the definition of the job with the key, or create one; returns whether it is new.

    Raises Problem 412, 413 or 422.
    """
    fields, read_only = split_read_only(value)
    body = validated(JobBody, {"key": key} | fields)
    if body.key != key:
        raise invalid(Fault("/key", "this must be the key in the path, or left out; PATCH changes a key"))
    for _ in range(TRIES):
        job_id = (await find_job_ids(deps, [key])).get(key)
        if job_id is None and preconditions.if_match is not None:
            raise Problem(412, "stale_version", f"there is no job with the key {key}, so no version of it can match")
        try:
            return await _replace(deps, job_id or uuids.uuid7(), body, read_only, actor, preconditions)
        except (JobKeyTaken, JobDeletedAlready):  # the job came or went meanwhile
            continue
    raise Conflict(f"the job with the key {key} kept coming and going")


async def _replace(
    deps: Dependencies,
    job_id: UUID,
    body: JobBody,
    read_only: Mapping[str, Any],
    actor: Actor,
    preconditions: Preconditions,
) -> tuple[Job, bool]:
    """Raises JobKeyTaken, besides what `replace` raises."""
    must_fit(body.payload, body.metadata)
    schemas, now = await deps.task_schemas(), deps.clock.now()
    new = with_task_defaults(body, schemas.defaults.of)
    await deps.queue_names.admit(deps.pool, {new.queue: "/queue"})
    request = ChangeRequest(deps, schemas, body, now, preconditions, read_only)
    for _ in range(2):
        async with deps.definition_search.reserved(request.takes_long):
            result = await handle_job(deps.pool, job_id, request, actor)
        if result is not None:
            _send_hints(deps, result)
            return result.job, False
        if preconditions.if_match is not None:
            raise Problem(412, "stale_version", f"there is no job {job_id}, so no version of it can match")
        must_equal({"id": job_id}, read_only)
        must_be_free_to_choose(job_id)
        definition = await deps.definition_search.run(request.takes_long, define, new, now)
        must_not_trigger_itself(definition, job_id)
        must_be_accepted(deps, schemas, definition)
        event = await deps.definition_search.run(request.takes_long, job_decide.create, job_id, definition, now)
        created = await _append(deps, {job_id: event}, actor)
        if created:
            deps.hints.wake()
            return created[0], True
    async with acquire(deps.pool) as db:
        await _must_not_be_archived(db, [job_id])
    raise Conflict(f"job {job_id} existed while it was created, but not while it was changed")


async def trigger(
    deps: Dependencies, job_id: UUID, value: Mapping[str, Any], overlap: Overlap, key: str | None, actor: Actor
) -> tuple[Run, bool]:
    """Start a run now; returns whether it is new: an Idempotency-Key brings the run of its first use.

    Raises Problem 404 or 422, JobDeletedAlready and KeyReused.
    """
    run_id = run_id_for(job_id, actor.name, key if key is not None else uuids.uuid7().hex)
    request = TriggerRequest(deps, await deps.task_schemas(), run_id, value, overlap)
    result = await handle(deps, job_id, request, actor)
    return triggered(result)


def triggered(result: JobResult[TriggerRun]) -> tuple[Run, bool]:
    """The run that the command started, and whether it is new."""
    command = result.command
    if command.earlier is not None:
        return command.earlier, False
    return next(run for run in result.runs if run.id == command.run_id), True
