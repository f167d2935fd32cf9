"""Commands to facts: load, decide, append, project, in one transaction. Nothing else appends.

Two ways in. A run's own life needs no lock, its version judges, so commands for many runs share a commit and
each conflict is repeated by itself. Whatever depends on other runs or on the schedule decides under the job's lock.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common import projections, timezones, waiting
from duebook_common.codec import dumps
from duebook_common.database import UNAVAILABLE, Connection, Pool, acquire, transaction
from duebook_common.domain import job as job_domain
from duebook_common.domain import run as run_domain
from duebook_common.domain import run_events
from duebook_common.domain.decide import decide
from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.job import Job, JobChanged, JobCreated, JobEvent, JobStatus
from duebook_common.domain.occurrence import job_after, skip_due
from duebook_common.domain.run import Run, RunStatus
from duebook_common.domain.run_commands import RunCommand
from duebook_common.domain.run_events import (
    Opening,
    RunCancelled,
    RunCancelRequested,
    RunEvent,
    RunFact,
    RunRedriven,
)
from duebook_common.eventstore import Write, append, has_recorded
from duebook_common.locks import lock_jobs

_TRIES = 8
_LONGEST_REASON = 2_000


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
    """What became of a command: the run afterwards and the new events, or why it was refused.

    `frees`: by its end others that waited may start, so the poll had better come soon.
    """

    run: Run | None
    events: Sequence[RunEvent] = ()
    error: Exception | None = None
    frees: bool = False


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
    moved = {item.id: (item, decided[item.id]) for item in work if item.id in decided and decided[item.id].events}
    lost, awaited = await _record_runs(db, list(moved.values()), actor)
    freeing = {id_: d for id_, (_, d) in moved.items() if d.run is not None and _frees(d.run, lost, awaited)}
    await waiting.wake_waiting(db, [d.run for d in freeing.values() if d.run is not None])
    decided |= {id_: replace(answer, frees=True) for id_, answer in freeing.items()}
    return {item.id: decided[item.id] for item in work if item.id in decided and not _lost(item, lost)}


async def _record_runs(db: Connection, moved: Sequence[tuple[RunWork, Decided]], actor: Actor) -> projections.Moved:
    writes = [_write(item, answer, actor) for item, answer in moved]
    runs = [answer.run for _, answer in moved if answer.run is not None]
    concerning = {run.job_id for run, (_, answer) in zip(runs, moved, strict=True) if _concerns_others(run, answer)}
    if not concerning:
        return await projections.append_and_move_runs(db, writes, runs)
    async with db.transaction():
        await lock_jobs(db, concerning)
        result = await projections.append_and_move_runs(db, writes, runs)
        recorded = [run for run in runs if run_events.stream(run.id) not in result.lost]
        dead = {run.job_id: run for run in recorded if run.pause_on_failure and run.status is RunStatus.DEAD_LETTERED}
        await decide_jobs(db, dead, lambda job, _: _pausing(job, dead[job.id]), actor)
    return result


def _concerns_others(run: Run, answer: Decided) -> bool:
    """Whether the job's lock is needed: the job is to be paused, or a run that rested is active again."""
    pauses = run.pause_on_failure and run.status is RunStatus.DEAD_LETTERED
    return pauses or any(isinstance(event, RunRedriven) for event in answer.events)


def _pausing(job: Job, run: Run) -> Sequence["Fact"]:
    """The dead letter pauses its job, in the same transaction; what is due at that moment falls into the pause."""
    if job.status is not JobStatus.ACTIVE or run.finished_at is None:
        return []
    because = f"run {run.id} was dead-lettered: {run.error}"[:_LONGEST_REASON]
    skipped = skip_due(job, "paused", run.finished_at)
    return [*skipped, *job_domain.pause(job, because, run.finished_at)]


def _frees(run: Run, lost: set[str], awaited: set[str]) -> bool:
    stream = run_events.stream(run.id)
    return not run.active and stream not in lost and (stream in awaited or run.concurrency is not None)


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

    @property
    def stopped(self) -> list[UUID]:
        """The runs whose attempts, where they have one, are to stop: their executors had better hear of it."""
        stops = (RunCancelRequested, RunCancelled)
        return [fact.run_id for fact in self.facts if isinstance(fact, RunFact) and isinstance(fact.event, stops)]


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
    active_after = (_active_after(active.get(outcome.job.id, []), outcome) for outcome in outcomes)
    await waiting.await_runs(db, [run for runs in active_after for run in waiting.blocking(runs)])
    return outcomes


def _active_after(before: Sequence[Run], outcome: JobOutcome) -> list[Run]:
    after = {run.id: run for run in before} | {run.id: run for run in outcome.runs}
    return [run for run in after.values() if run.active]


def _apply(job: Job, active: Sequence[Run], judge: Judge) -> JobOutcome:
    runs = {run.id: run for run in active}
    touched: dict[UUID, Run] = {}
    facts = judge(job, active)
    for fact in facts:
        job = job_after(job, fact)
        if not isinstance(fact, RunFact):
            continue
        if isinstance(fact.event, Opening):
            touched[fact.run_id] = run_domain.opened(fact.run_id, fact.event)
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
    moved = sorted((run for run in runs if run.id not in opened), key=lambda run: run.id)
    await projections.move_runs(db, moved)
    await waiting.wake_waiting(db, [run for run in moved if not run.active])


def _opens(fact: RunFact) -> bool:
    return isinstance(fact.event, Opening)


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
