"""What a person may do to jobs and runs, each as one transaction, and the hint that follows it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

import orjson
import uuid_utils.compat as uuids

from duebook_api.http.problems import Problem, not_found
from duebook_api.jobs import judging
from duebook_api.schemas.bodies import JobBody
from duebook_api.schemas.schedules import must_name_a_time
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.definition import Definition, Overlap
from duebook_common.domain.errors import JobDeletedAlready, KeyReused
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import new_runs
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import RunFact, run_id_at, run_id_for
from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection, acquire, transaction
from duebook_common.store.job_handling import Actor, Conflict, Decider, JobResult, create_jobs, decide_jobs, handle_job
from duebook_common.store.locks import lock_jobs
from duebook_common.store.rows import load_jobs, load_runs

_KEYS = UUID("6f0d7a0e-3c0b-5d0e-9a53-2f6f2b1f5c11")  # ids that are derived from an Idempotency-Key
_SOON = timedelta(minutes=1)
_TRIES = 8


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """An Idempotency-Key with what came under it: the same again answers the first result."""

    scope: str
    key: str
    request: Any

    @property
    def hash(self) -> str:
        return sha256(orjson.dumps(self.request, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def id(self, actor: Actor, index: int) -> UUID:
        return uuid5(_KEYS, f"{self.scope}\n{actor.name}\n{index}\n{self.key}")


async def create(
    deps: Dependencies, bodies: Sequence[JobBody], actor: Actor, once: IdempotentRequest | None, root: str
) -> list[Job]:
    """New jobs, all or none; under a key that was used already, the first ones again."""
    now = deps.clock.now()
    hash_ = once.hash if once else None
    ids = [once.id(actor, n) if once else uuids.uuid7() for n in range(len(bodies))]
    schemas = await deps.task_schemas()
    try:
        wanted = [define(body, now, root.format(n)) for n, body in enumerate(bodies)]
        for n, each in enumerate(wanted):
            schemas.must_accept(each.task, each.payload, f"{root.format(n)}/payload")
    except Problem:  # an end that was ahead the first time may be past by now, a task may want more
        if once is None or (jobs := await _repeated(deps, ids, hash_)) is None:
            raise
        return jobs
    created = {id_: job_decide.create(id_, each, now, hash_) for id_, each in zip(ids, wanted, strict=True)}
    jobs = await _open(deps, created, actor)
    if jobs is None:
        jobs = await _repeated(deps, ids, hash_)
        if jobs is None:
            raise KeyReused
        return jobs
    if any(job.next_at is not None and job.next_at <= now + _SOON for job in jobs):
        deps.hints.wake()
    return jobs


async def _open(deps: Dependencies, created: Mapping[UUID, JobCreated], actor: Actor) -> list[Job] | None:
    """The new jobs, all or none: None where one of them exists already."""
    if len(created) > 1:
        return await create_jobs(deps.pool, created, actor)
    [(job_id, event)] = created.items()
    job = await deps.create_batcher.create(job_id, event, actor)
    return None if job is None else [job]


def define(body: JobBody, now: Any, root: str = "") -> Definition:
    """The body's definition; raises Problem 422 where it names no time at all."""
    definition = body.definition(now)
    must_name_a_time(definition, root)
    return definition


async def _repeated(deps: Dependencies, ids: Sequence[UUID], hash_: str | None) -> list[Job] | None:
    """The jobs that this very request made before, if it did."""
    async with acquire(deps.pool) as db:
        first = await load_jobs(db, ids)
    if len(first) < len(ids) or any(job.request_hash != hash_ for job in first.values()):
        return None
    return [first[id_] for id_ in ids]


async def command(deps: Dependencies, job_id: UUID, judge: Decider, actor: Actor) -> Job:
    """Carry out a command that needs no more than the job; raises Problem 404."""
    outcome = await handle_job(deps.pool, job_id, judge, actor)
    if outcome is None:
        raise not_found(f"job {job_id}")
    if outcome.facts:
        deps.hints.wake()
    return outcome.job


Define = Callable[[Job], Definition]


async def change(deps: Dependencies, job_id: UUID, make: Define, actor: Actor, if_match: str | None) -> Job | None:
    """Give the job the definition that `make` makes of it; None where there is no such job."""
    schemas = await deps.task_schemas()

    async def work(db: Connection) -> JobResult | None:
        job = (await load_jobs(db, [job_id])).get(job_id)
        if job is None:
            return None
        if job.status is JobStatus.DELETED:
            raise JobDeletedAlready(job_id)
        judging.must_match(job, if_match)
        wanted = make(job)
        if (wanted.task, wanted.payload) != (job.definition.task, job.definition.payload):
            schemas.must_accept(wanted.task, wanted.payload)
        ran = await _exists(db, run_id_at(job_id, wanted.scheduled_at))
        judge = judging.changing(make, deps.context(), if_match, ran=ran)
        return (await decide_jobs(db, [job_id], judge, actor))[0]

    outcome = await in_lock(deps, job_id, work)
    if outcome is None:
        return None
    if outcome.facts:
        deps.hints.wake()
    return outcome.job


_RUN_EXISTS = "SELECT EXISTS (SELECT FROM runs WHERE run_id = $1)"


async def _exists(db: Connection, run_id: UUID) -> bool:
    return bool(await db.fetchval(_RUN_EXISTS, run_id))


async def in_lock(
    deps: Dependencies, job_id: UUID, work: Callable[[Connection], Awaitable[JobResult | None]]
) -> JobResult | None:
    """One transaction under the job's lock, repeated where a run moved on meanwhile."""
    for _ in range(_TRIES):
        try:
            async with transaction(deps.pool) as db:
                await lock_jobs(db, [job_id])
                return await work(db)
        except Conflict:
            continue
    raise Conflict(f"the runs of job {job_id} kept changing under its command")


@dataclass(frozen=True, slots=True)
class TriggerRequest:
    """A run that a person starts by hand."""

    key: str | None
    request: Mapping[str, Any]
    overlap: Overlap

    def run_id(self, job_id: UUID) -> UUID:
        return run_id_for(job_id, self.key if self.key is not None else uuids.uuid7().hex)


async def trigger(deps: Dependencies, job_id: UUID, order: TriggerRequest, actor: Actor) -> Run:
    """Start a run now; under a key that was used already, the first one again."""
    schemas, run_id = await deps.task_schemas(), order.run_id(job_id)
    hash_ = sha256(orjson.dumps(order.request, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def judge(job: Job, active: Sequence[Run]) -> Sequence[RunFact]:
        if job.status is JobStatus.DELETED:
            raise JobDeletedAlready(job_id)
        if "payload" in order.request:
            schemas.must_accept(job.definition.task, order.request["payload"])
        return new_runs.trigger_now(
            job,
            active,
            deps.context(),
            run_id,
            overlap=order.overlap,
            payload=order.request.get("payload"),
            own_payload="payload" in order.request,
            request_hash=hash_,
        )

    async def work(db: Connection) -> JobResult | None:
        first = (await load_runs(db, [run_id])).get(run_id)
        if first is None:
            outcomes = await decide_jobs(db, [job_id], judge, actor)
            return outcomes[0] if outcomes else None
        if first.request_hash not in {hash_, None}:
            raise KeyReused
        return JobResult((await load_jobs(db, [job_id]))[job_id], [first])

    outcome = await in_lock(deps, job_id, work)
    if outcome is None:
        raise not_found(f"job {job_id}")
    deps.hints.wake()
    for id_ in outcome.stopped:
        deps.hints.cancel(id_)
    return next(run for run in outcome.runs if run.id == run_id)


async def replace(
    deps: Dependencies, job_id: UUID, body: JobBody, actor: Actor, if_match: str | None
) -> tuple[Job, bool]:
    """Create the job or give it a new definition; also says whether it is new."""
    now = deps.clock.now()

    def make(job: Job) -> Definition:
        return define(body, job.definition.scheduled_at)

    for _ in range(2):
        job = await change(deps, job_id, make, actor, if_match)
        if job is not None:
            return job, False
        if if_match is not None:
            raise Problem(412, "stale_version", f"there is no job {job_id}, so no version of it can match")
        definition = define(body, now)
        (await deps.task_schemas()).must_accept(definition.task, definition.payload)
        made = await _open(deps, {job_id: job_decide.create(job_id, definition, now)}, actor)
        if made:
            deps.hints.wake()
            return made[0], True
    raise Conflict(f"job {job_id} came and went")
