"""Commands to facts: load, decide, append, project, in one transaction. Nothing else appends.

Two ways in. A run's own life needs no lock, its version judges, so commands for many runs share a commit and
each conflict is repeated by itself. Whatever depends on other runs or on the schedule decides under the job's lock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common import projections, timezones
from duebook_common.codec import dumps
from duebook_common.database import UNAVAILABLE, Connection, Pool, acquire, transaction
from duebook_common.domain import job as job_domain
from duebook_common.domain import run as run_domain
from duebook_common.domain import run_events
from duebook_common.domain.decide import RunCommand, decide
from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.job import Job, JobChanged, JobCreated, JobEvent
from duebook_common.domain.run import Run
from duebook_common.domain.run_events import RunDispatched, RunEvent, RunFact, RunSkipped
from duebook_common.eventstore import Write, append, has_recorded
from duebook_common.locks import lock_jobs

_TRIES = 8


class Conflict(Exception):
    """Another writer was faster, again and again."""


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


# --- runs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunWork:
    """A command for a run. `known` spares the read where the caller holds the state that it wrote last."""

    run_id: UUID
    command: RunCommand
    known: Run | None = None
    id: UUID = field(default_factory=uuids.uuid7)


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a command: the run afterwards and the new events, or why it was refused."""

    run: Run | None
    events: Sequence[RunEvent] = ()
    error: Exception | None = None


async def handle_runs(pool: Pool, work: Sequence[RunWork], actor: Actor) -> list[Decided]:
    """Carry out commands for different runs in one commit; answers in the same order.

    A version conflict is decided anew. Raises what the database raises when it is away: nothing is known then
    of any of them, and repeating the call with the same work is safe.
    """
    decided: dict[UUID, Decided] = {}
    open_work = list(work)
    for _ in range(_TRIES):
        decided |= await _commit_runs(pool, open_work, actor)
        open_work = [replace(item, known=None) for item in open_work if item.id not in decided]
        if not open_work:
            return [decided[item.id] for item in work]
    raise Conflict(f"{len(open_work)} runs kept changing under their commands")


async def _commit_runs(pool: Pool, work: Sequence[RunWork], actor: Actor) -> dict[UUID, Decided]:
    """One commit; leaves out of its answer what lost to another writer."""
    try:
        async with acquire(pool) as db:
            return await _decide_runs(db, work, actor)
    except UNAVAILABLE:
        raise
    except Exception as error:
        if len(work) == 1:
            return {work[0].id: Decided(None, error=error)}
    answers: dict[UUID, Decided] = {}
    for item in work:  # one of them is poison: each by itself, so that it hurts nobody else
        answers |= await _commit_runs(pool, [item], actor)
    return answers


async def _decide_runs(db: Connection, work: Sequence[RunWork], actor: Actor) -> dict[UUID, Decided]:
    runs = {item.run_id: item.known for item in work if item.known is not None}
    if unknown := {item.run_id for item in work} - runs.keys():
        runs |= await projections.load_runs(db, unknown)
    decided: dict[UUID, Decided] = {}
    taken: set[UUID] = set()  # a second command for the same run waits for the next commit
    for item in work:
        if item.run_id not in taken:
            decided[item.id] = await _decide_run(db, item, runs.get(item.run_id))
            taken.add(item.run_id)
    moved = [(item, decided[item.id]) for item in work if item.id in decided and decided[item.id].events]
    writes = [_write(item, answer, actor) for item, answer in moved]
    lost = await projections.append_and_move_runs(db, writes, [d.run for _, d in moved if d.run is not None])
    return {item.id: decided[item.id] for item in work if item.id in decided and not _lost(item, lost)}


async def _decide_run(db: Connection, item: RunWork, run: Run | None) -> Decided:
    if run is None:
        return Decided(None)
    try:
        events = decide(run, item.command)
    except CommandRejected as rejected:
        # The refusal may be of our own doing: a COMMIT whose answer was lost, and then the repeat.
        ours = await has_recorded(db, run_events.stream(run.id), item.id)
        return Decided(run) if ours else Decided(run, error=rejected)
    for event in events:
        run = run_domain.evolve(run, event)
    return Decided(run, events)


def _lost(item: RunWork, lost: set[str]) -> bool:
    return run_events.stream(item.run_id) in lost


def _write(item: RunWork, decided: Decided, actor: Actor) -> Write:
    run = decided.run
    assert run is not None
    expected = run.version - len(decided.events)
    return Write(run_events.stream(run.id), expected, decided.events, run.job_id, item.id, actor.meta())


# --- jobs ---------------------------------------------------------------------------------------------------

Fact = JobEvent | RunFact
Judge = Callable[[Job, Sequence[Run]], Sequence[Fact]]


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """A job after a decision, with the runs that the decision opened or moved."""

    job: Job
    runs: Sequence[Run] = ()
    facts: Sequence[Fact] = ()


async def create_jobs(pool: Pool, created: Mapping[UUID, JobCreated], actor: Actor) -> list[Job] | None:
    """Open the streams of new jobs, all or nothing; None where one of them exists already."""
    jobs = [job_domain.opened(job_id, event) for job_id, event in created.items()]
    meta = actor.meta_of_schedule()
    writes = [Write(job_domain.stream(id_), 0, [event], id_, meta=meta) for id_, event in created.items()]
    try:
        async with transaction(pool) as db:
            if await append(db, writes):
                raise Conflict
            await projections.insert_jobs(db, jobs)
    except Conflict:
        return None
    return jobs


async def handle_job(pool: Pool, job_id: UUID, judge: Judge, actor: Actor) -> JobOutcome | None:
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


async def decide_jobs(db: Connection, job_ids: Iterable[UUID], judge: Judge, actor: Actor) -> list[JobOutcome]:
    """Decide jobs whose locks the caller holds; raises Conflict, to be rolled back, where a stream moved meanwhile."""
    jobs = await projections.load_jobs(db, job_ids)
    active = await projections.load_active_runs(db, jobs)
    outcomes = [_apply(job, active.get(job.id, []), judge) for job in jobs.values()]
    await _record(db, jobs, outcomes, actor)
    return outcomes


def _apply(job: Job, active: Sequence[Run], judge: Judge) -> JobOutcome:
    runs = {run.id: run for run in active}
    touched: dict[UUID, Run] = {}
    facts = judge(job, active)
    for fact in facts:
        if not isinstance(fact, RunFact):
            job = job_domain.evolve(job, fact)
        elif isinstance(fact.event, RunDispatched | RunSkipped):
            touched[fact.run_id] = run_domain.opened(fact.run_id, fact.event)
            job = job_domain.evolve(job, fact.event)
        else:
            before = touched.get(fact.run_id) or runs[fact.run_id]
            touched[fact.run_id] = run_domain.evolve(before, fact.event)
    return JobOutcome(job, list(touched.values()), facts)


async def _record(db: Connection, before: Mapping[UUID, Job], outcomes: Sequence[JobOutcome], actor: Actor) -> None:
    writes = [write for outcome in outcomes for write in _job_writes(before[outcome.job.id], outcome, actor)]
    if await append(db, writes):
        raise Conflict
    changed = [outcome for outcome in outcomes if outcome.facts]
    redefined = [outcome.job for outcome in changed if any(isinstance(f, JobChanged) for f in outcome.facts)]
    names = {job.id for job in redefined}
    await projections.redefine_jobs(db, redefined)
    await projections.move_jobs(db, [outcome.job for outcome in changed if outcome.job.id not in names])
    opened = {f.run_id for o in changed for f in o.facts if isinstance(f, RunFact) and _opens(f)}
    runs = [run for outcome in changed for run in outcome.runs]
    await projections.insert_runs(db, [run for run in runs if run.id in opened])
    await projections.move_runs(db, [run for run in runs if run.id not in opened])


def _opens(fact: RunFact) -> bool:
    return isinstance(fact.event, RunDispatched | RunSkipped)


def _job_writes(before: Job, outcome: JobOutcome, actor: Actor) -> list[Write]:
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
        stream, version = job_domain.stream(before.id), before.stream_version
        writes.append(Write(stream, version, [*own.values()], before.id, meta=meta, places=[*own]))
    return writes
