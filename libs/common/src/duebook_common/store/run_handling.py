"""A run's own life: commands for many runs in one commit, each judged by its run's version, each conflict by itself.

Where a command concerns others besides, the job's lock is taken too, and they are decided with it (`handling`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.events import Fact
from duebook_common.domain.job.occurrence import skip_due
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run import events as run_events
from duebook_common.domain.run import state as run_domain
from duebook_common.domain.run.commands import RunCommand
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.events import RunEvent, RunRedriven
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store import projections, wakeups
from duebook_common.store.database import Connection, Pool, acquire
from duebook_common.store.eventstore import Write, has_recorded
from duebook_common.store.job_handling import Actor, Conflict, decide_jobs
from duebook_common.store.locks import lock_jobs
from duebook_common.store.resilience import isolate_failures
from duebook_common.store.rows import load_runs

_TRIES = 8
_LONGEST_REASON = 2_000


@dataclass(frozen=True, slots=True)
class RunWork:
    """A command for a run. `known` spares the read where the caller holds the state that it wrote last."""

    run_id: UUID
    command: RunCommand
    known: Run | None = None
    id: UUID = field(default_factory=uuids.uuid7)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What became of a command: the run afterwards and the new events, or why it was refused.

    `frees`: by its end others that waited may start, so the poll had better come soon.
    """

    run: Run | None
    events: Sequence[RunEvent] = ()
    error: Exception | None = None
    frees: bool = False


async def handle_runs(pool: Pool, work: Sequence[RunWork], actor: Actor) -> list[CommandResult]:
    """Carry out commands for different runs in one commit; answers in the same order.

    A version conflict is decided anew. Raises what the database raises when it is away: nothing is known then
    of any of them, and repeating the call with the same work is safe.
    """
    decided: dict[UUID, CommandResult] = {}
    open_work = list(work)
    for _ in range(_TRIES):
        decided |= await _commit_runs(pool, open_work, actor)
        open_work = [replace(item, known=None) for item in open_work if item.id not in decided]
        if not open_work:
            return [decided[item.id] for item in work]
    raise Conflict(f"{len(open_work)} runs kept changing under their commands")


async def _commit_runs(pool: Pool, work: Sequence[RunWork], actor: Actor) -> dict[UUID, CommandResult]:
    """One commit, or one for each command if a poisonous one fails them all. The result omits version conflicts."""

    async def commit(batch: Sequence[RunWork]) -> dict[UUID, CommandResult]:
        async with acquire(pool) as db:
            return await _decide_runs(db, batch, actor)

    results = await isolate_failures(work, commit, lambda item, error: {item.id: CommandResult(None, error=error)})
    return {id_: result for batch in results for id_, result in batch.items()}


async def _decide_runs(db: Connection, work: Sequence[RunWork], actor: Actor) -> dict[UUID, CommandResult]:
    runs = {item.run_id: item.known for item in work if item.known is not None}
    if unknown := {item.run_id for item in work} - runs.keys():
        runs |= await load_runs(db, unknown)
    decided: dict[UUID, CommandResult] = {}
    taken: set[UUID] = set()  # a second command for the same run waits for the next commit
    for item in work:
        if item.run_id not in taken:
            decided[item.id] = await _decide_run(db, item, runs.get(item.run_id))
            taken.add(item.run_id)
    moved = {item.id: (item, decided[item.id]) for item in work if item.id in decided and decided[item.id].events}
    lost, awaited = await _record_runs(db, list(moved.values()), actor)
    freeing = {id_: d for id_, (_, d) in moved.items() if d.run is not None and _frees(d.run, lost, awaited)}
    await wakeups.wake_waiting(db, [d.run for d in freeing.values() if d.run is not None])
    decided |= {id_: replace(answer, frees=True) for id_, answer in freeing.items()}
    return {item.id: decided[item.id] for item in work if item.id in decided and not _lost(item, lost)}


async def _record_runs(
    db: Connection, moved: Sequence[tuple[RunWork, CommandResult]], actor: Actor
) -> projections.AppendResult:
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


def _concerns_others(run: Run, answer: CommandResult) -> bool:
    """Whether the job's lock is needed: the job is to be paused, or a run that rested is active again."""
    pauses = run.pause_on_failure and run.status is RunStatus.DEAD_LETTERED
    return pauses or any(isinstance(event, RunRedriven) for event in answer.events)


def _pausing(job: Job, run: Run) -> Sequence[Fact]:
    """The dead letter pauses its job, in the same transaction; what is due at that moment falls into the pause."""
    if job.status is not JobStatus.ACTIVE or run.finished_at is None:
        return []
    because = f"run {run.id} was dead-lettered: {run.error}"[:_LONGEST_REASON]
    skipped = skip_due(job, "paused", run.finished_at)
    return [*skipped, *job_decide.pause(job, because, run.finished_at)]


def _frees(run: Run, lost: set[str], awaited: set[str]) -> bool:
    stream = run_events.stream(run.id)
    return not run.active and stream not in lost and (stream in awaited or run.concurrency is not None)


async def _decide_run(db: Connection, item: RunWork, run: Run | None) -> CommandResult:
    if run is None:
        return CommandResult(None)
    try:
        events = decide(run, item.command)
    except CommandRejected as rejected:
        # The refusal may be of our own doing: a COMMIT whose answer was lost, and then the repeat.
        ours = await has_recorded(db, run_events.stream(run.id), item.id)
        return CommandResult(run) if ours else CommandResult(run, error=rejected)
    for event in events:
        run = run_domain.evolve(run, event)
    return CommandResult(run, events)


def _lost(item: RunWork, lost: set[str]) -> bool:
    return run_events.stream(item.run_id) in lost


def _write(item: RunWork, decided: CommandResult, actor: Actor) -> Write:
    run = decided.run
    assert run is not None
    expected = run.version - len(decided.events)
    return Write(run_events.stream(run.id), expected, decided.events, run.job_id, item.id, actor.meta())
