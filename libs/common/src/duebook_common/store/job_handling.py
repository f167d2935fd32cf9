"""Commands to facts: load, decide, append, project, in one transaction. Only this and `run_handling` append.

Whatever depends on other runs or on the schedule decides under the job's lock: here. A run's own life is judged by its
version: there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from duebook_common.domain.job import events as job_events
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.events import Fact, JobChanged, JobCreated, JobEvent
from duebook_common.domain.job.state import Job, job_after
from duebook_common.domain.run import events as run_events
from duebook_common.domain.run import state as run_domain
from duebook_common.domain.run.events import FirstEvent, RunCancelled, RunCancelRequested, RunEvent, RunFact
from duebook_common.domain.run.state import Run
from duebook_common.runtime import timezones
from duebook_common.store import projections, wakeups
from duebook_common.store.codec import dumps
from duebook_common.store.database import Connection, Pool, transaction
from duebook_common.store.eventstore import Write, append
from duebook_common.store.locks import lock_jobs
from duebook_common.store.rows import load_active_runs, load_jobs

_TRIES = 8


class Conflict(Exception):
    """Another writer was faster. `jobs` are those whose decisions he overtook, where that is known."""

    def __init__(self, says: str = "", jobs: Iterable[UUID] = ()) -> None:
        super().__init__(says)
        self.jobs = frozenset(jobs)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who or what causes an event, and the trace that it belongs to."""

    name: str
    traceparent: str | None = None

    def meta(self, **more: str) -> bytes:
        trace = {"traceparent": self.traceparent} if self.traceparent else {}
        return dumps({"actor": self.name, **trace, **more})

    def meta_of_schedule(self) -> bytes:
        """For what rests on a schedule: the rules of time zones by which it was decided belong to it."""
        return self.meta(tzdata=timezones.VERSION)


Decider = Callable[[Job, Sequence[Run]], Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class JobResult:
    """A job after a decision, with the runs that the decision opened or moved."""

    job: Job
    runs: Sequence[Run] = ()
    facts: Sequence[Fact] = ()

    @property
    def stopped(self) -> list[UUID]:
        """The runs whose attempts, where they have one, are to stop: their executors had better hear of it."""
        stops = (RunCancelRequested, RunCancelled)
        return [fact.run_id for fact in self.facts if isinstance(fact, RunFact) and isinstance(fact.event, stops)]


async def create_jobs(pool: Pool, created: Mapping[UUID, JobCreated], actor: Actor) -> list[Job] | None:
    """Open the streams of new jobs, all or nothing; None where one of them exists already."""
    jobs = [job_state.opened(job_id, event) for job_id, event in created.items()]
    meta = actor.meta_of_schedule()
    writes = [Write(job_events.stream(id_), 0, [event], id_, meta=meta) for id_, event in created.items()]
    try:
        async with transaction(pool) as db:
            if await append(db, writes):
                raise Conflict
            await projections.insert_jobs(db, jobs)
    except Conflict:
        return None
    return jobs


async def handle_job(pool: Pool, job_id: UUID, judge: Decider, actor: Actor) -> JobResult | None:
    """Decide one job under its lock; `judge` gets the job and its active runs. None where there is no such job.

    Raises what `judge` raises.
    """
    for _ in range(_TRIES):
        try:
            async with transaction(pool) as db:
                await lock_jobs(db, [job_id])
                outcomes = await decide_jobs(db, [job_id], judge, actor)
                return outcomes[0] if outcomes else None
        except Conflict:  # a run moved on by its own life
            continue
    raise Conflict(f"the runs of job {job_id} kept changing under its command")


async def decide_jobs(db: Connection, job_ids: Iterable[UUID], judge: Decider, actor: Actor) -> list[JobResult]:
    """Decide jobs whose locks the caller holds; raises Conflict, to be rolled back, where a stream moved meanwhile."""
    jobs = await load_jobs(db, job_ids)
    active = await load_active_runs(db, jobs)
    outcomes = [_apply(job, active.get(job.id, []), judge) for job in jobs.values()]
    await _record(db, jobs, outcomes, actor)
    active_after = (_active_after(active.get(outcome.job.id, []), outcome) for outcome in outcomes)
    await wakeups.await_runs(db, [run for runs in active_after for run in wakeups.blocking(runs)])
    return outcomes


def _active_after(before: Sequence[Run], outcome: JobResult) -> list[Run]:
    after = {run.id: run for run in before} | {run.id: run for run in outcome.runs}
    return [run for run in after.values() if run.active]


def _apply(job: Job, active: Sequence[Run], judge: Decider) -> JobResult:
    runs = {run.id: run for run in active}
    touched: dict[UUID, Run] = {}
    facts = judge(job, active)
    for fact in facts:
        job = job_after(job, fact)
        if not isinstance(fact, RunFact):
            continue
        if isinstance(fact.event, FirstEvent):
            touched[fact.run_id] = run_domain.opened(fact.run_id, fact.event)
        else:
            before = touched.get(fact.run_id) or runs[fact.run_id]
            touched[fact.run_id] = run_domain.evolve(before, fact.event)
    return JobResult(job, list(touched.values()), facts)


async def _record(db: Connection, before: Mapping[UUID, Job], outcomes: Sequence[JobResult], actor: Actor) -> None:
    writes = [write for outcome in outcomes for write in _job_writes(before[outcome.job.id], outcome, actor)]
    if lost := await append(db, writes):
        raise Conflict(jobs=(write.job_id for write in writes if write.stream in lost))
    changed = [outcome for outcome in outcomes if outcome.facts]
    redefined = [outcome.job for outcome in changed if any(isinstance(f, JobChanged) for f in outcome.facts)]
    names = {job.id for job in redefined}
    await projections.redefine_jobs(db, redefined)
    await projections.move_jobs(db, [outcome.job for outcome in changed if outcome.job.id not in names])
    opened = {f.run_id for o in changed for f in o.facts if isinstance(f, RunFact) and _opens(f)}
    runs = [run for outcome in changed for run in outcome.runs]
    await projections.insert_runs(db, [run for run in runs if run.id in opened])
    moved = sorted((run for run in runs if run.id not in opened), key=lambda run: run.id)
    await projections.move_runs(db, moved)
    await wakeups.wake_waiting(db, [run for run in moved if not run.active], deciding=True)


def _opens(fact: RunFact) -> bool:
    return isinstance(fact.event, FirstEvent)


def _job_writes(before: Job, outcome: JobResult, actor: Actor) -> list[Write]:
    meta, own, by_run = actor.meta_of_schedule(), dict[int, JobEvent](), dict[UUID, dict[int, RunEvent]]()
    for place, fact in enumerate(outcome.facts):  # the job's state rests on the order across its streams
        if isinstance(fact, RunFact):
            by_run.setdefault(fact.run_id, {})[place] = fact.event
        else:
            own[place] = fact
    versions = {run.id: run.version for run in outcome.runs}
    writes = [
        Write(
            run_events.stream(run_id), versions[run_id] - len(events), [*events.values()], before.id,
            meta=meta, places=[*events],
        )
        for run_id, events in by_run.items()
    ]  # fmt: skip
    # Also where the job itself gets no event, its head is asked: the decision rests on this version of it.
    if own or writes:
        stream, version = job_events.stream(before.id), before.stream_version
        writes.append(Write(stream, version, [*own.values()], before.id, meta=meta, places=[*own]))
    return writes
