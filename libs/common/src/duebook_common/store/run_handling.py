"""Commands of runs: load, decide, append and project, many runs in one commit.

The version of each run's stream detects conflicts, one by one. Some events concern the run's job too: these are
recorded under the job's lock, together with what is decided about the job (`job_handling`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common.domain.errors import CommandRejected, QueueIsPaused, RateExceeded, TooManyActiveRuns
from duebook_common.domain.job.admission import frees_slot, leaves_line
from duebook_common.domain.job.commands import HoldRuns, PauseOnDeadLetter
from duebook_common.domain.queue.state import Pauses
from duebook_common.domain.run import events as run_events
from duebook_common.domain.run import evolve as run_evolve
from duebook_common.domain.run.commands import RedriveRun, RunCommand
from duebook_common.domain.run.decide import decide, needs_job_lock, pauses_job, redriven
from duebook_common.domain.run.events import AttemptStarted, RunEvent, RunRequeued
from duebook_common.domain.run.state import Run
from duebook_common.runtime.telemetry import CONFLICTS
from duebook_common.store import projections, wakeups
from duebook_common.store.actor import Actor
from duebook_common.store.conflict import TRIES, Conflict
from duebook_common.store.database import Connection, Pool, acquire
from duebook_common.store.eventstore import Write, recorded_commands
from duebook_common.store.job_handling import decide_jobs, load_locked, record
from duebook_common.store.job_plan import decide_locked
from duebook_common.store.locks import lock_jobs, share_pauses
from duebook_common.store.predicates import one_of
from duebook_common.store.projections import AppendResult
from duebook_common.store.queue_pauses import pauses_since
from duebook_common.store.resilience import isolate_failures
from duebook_common.store.rows import count_active_runs, load_runs_to_decide


@dataclass(frozen=True, slots=True)
class RunWork:
    """A command for a run. `known`, the state that the caller wrote last, saves the read; it may be out of date."""

    run_id: UUID
    command: RunCommand
    known: Run | None = None
    id: UUID = field(default_factory=uuids.uuid7)


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The result of a command: the run after it and the new events, or the error that refused it.

    `run` is None if there is no such run. `frees`: the end of the run lets waiting runs start, so the scheduler should
    poll at once.
    """

    run: Run | None
    events: Sequence[RunEvent] = ()
    error: Exception | None = None
    frees: bool = False


async def handle_runs(pool: Pool, work: Sequence[RunWork], actor: Actor) -> list[CommandResult]:
    """Execute commands for different runs in one commit; returns the results in the same order.

    A command that lost a version conflict is decided again. Raises what UNAVAILABLE lists: then some commands may have
    been executed, and repeating the call with the same work is safe.
    """
    results: dict[UUID, CommandResult] = {}
    pending = list(work)
    for _ in range(TRIES):
        results |= await _commit(pool, pending, actor)
        pending = [replace(item, known=None) for item in pending if item.id not in results]
        if not pending:
            return [results[item.id] for item in work]
    raise Conflict(f"{len(pending)} runs kept changing during their commands")


async def _commit(pool: Pool, work: Sequence[RunWork], actor: Actor) -> dict[UUID, CommandResult]:
    """One commit, or one for each command if a poisonous one fails them all. The result omits version conflicts."""
    batches = await isolate_failures(work, partial(_commit_batch, pool, actor), _failed)
    return {id_: result for batch in batches for id_, result in batch.items()}


async def _commit_batch(pool: Pool, actor: Actor, work: Sequence[RunWork]) -> dict[UUID, CommandResult]:
    async with acquire(pool) as db:
        return await _decide_runs(db, work, actor)


def _failed(item: RunWork, error: Exception) -> dict[UUID, CommandResult]:
    return {item.id: CommandResult(None, error=error)}


@dataclass(slots=True)
class RunDecision:
    """One command of a batch while it is executed. `run` is the run after the events."""

    work: RunWork
    run: Run | None
    events: Sequence[RunEvent] = ()
    error: Exception | None = None
    frees: bool = False
    stream: str = ""

    def __post_init__(self) -> None:
        self.stream = run_events.stream(self.work.run_id)

    def refuse(self, error: CommandRejected) -> None:
        self.run, self.events, self.error = None, (), error

    @property
    def result(self) -> CommandResult:
        return CommandResult(self.run, self.events, self.error, self.frees)


def decide_batch(work: Iterable[RunWork], runs: Mapping[UUID, Run]) -> list[RunDecision]:
    """Decide the first command for each run; a second one for the same run waits for the next commit."""
    first_by_run: dict[UUID, RunWork] = {}
    for item in work:
        first_by_run.setdefault(item.run_id, item)
    return [_decide(item, runs.get(item.run_id)) for item in first_by_run.values()]


def _decide(work: RunWork, run: Run | None) -> RunDecision:
    if run is None:
        return RunDecision(work, None)
    try:
        events = decide(run, work.command)
    except CommandRejected as rejected:
        return RunDecision(work, run, error=rejected)
    for event in events:
        run = run_evolve.evolve(run, event)
    return RunDecision(work, run, events)


async def _decide_runs(db: Connection, work: Sequence[RunWork], actor: Actor) -> dict[UUID, CommandResult]:
    results, freeing = await handle_in_transaction(db, work, actor)
    await wakeups.wake_waiting(db, freeing)
    return results


async def handle_in_transaction(
    db: Connection, work: Sequence[RunWork], actor: Actor
) -> tuple[dict[UUID, CommandResult], list[Run]]:
    """Decide commands once; the caller's transaction, if it has one, must have written nothing yet.

    Returns the results by the commands' ids, without those that lost a version conflict, and the runs whose waiting
    runs the caller wakes once this is committed (`wakeups.wake_waiting`).
    """
    decisions = decide_batch(work, await _load(db, work))
    await _accept_repeats(db, decisions)
    result = await _record(db, [decision for decision in decisions if decision.events], actor)
    await _find_repeats(db, decisions, result)
    CONFLICTS.inc(len(result.lost))
    recorded = [decision for decision in decisions if decision.stream not in result.lost]
    for decision in recorded:
        _apply_result(decision, result)
    freeing = _freeing(recorded, result.awaited)
    return {decision.work.id: decision.result for decision in recorded}, freeing


def _apply_result(decision: RunDecision, result: AppendResult) -> None:
    """Refuse a start that the database refused, and note the time of a start that it has set."""
    run = decision.run
    if run is None:
        return
    if decision.stream in result.paused:
        decision.refuse(QueueIsPaused(run.queue))
    elif run.rate is not None and (wait := result.waits.get(decision.stream)) is not None:
        decision.refuse(RateExceeded(run.rate.key, wait))
    elif (started_at := result.started_at.get(decision.stream)) is not None:
        decision.run = replace(run, started_at=started_at)


async def _load(db: Connection, work: Sequence[RunWork]) -> Mapping[UUID, Run]:
    known = {item.run_id: item.known for item in work if item.known is not None}
    unknown = {item.run_id for item in work} - known.keys()
    return known | await load_runs_to_decide(db, unknown) if unknown else known


async def _accept_repeats(db: Connection, decisions: Iterable[RunDecision]) -> None:
    """Clear the error of a command that is refused because it is recorded already: its COMMIT's answer was lost."""
    refused = [decision for decision in decisions if decision.error is not None]
    recorded = await recorded_commands(db, {decision.stream: decision.work.id for decision in refused})
    for decision in refused:
        if decision.stream in recorded:
            decision.error = None


async def _find_repeats(db: Connection, decisions: Iterable[RunDecision], result: AppendResult) -> None:
    """Count a start that a pause or rate refused as lost if it is recorded already: its COMMIT's answer was lost.

    Then its run, which the attempt has, is read again. Otherwise it would count as waiting.
    """
    refused = result.paused | result.waits.keys()
    commands = {decision.stream: decision.work.id for decision in decisions if decision.stream in refused}
    result.lost.update(await recorded_commands(db, commands))


async def _record(db: Connection, decisions: Sequence[RunDecision], actor: Actor) -> AppendResult:
    jobs = {d.run.job_id for d in decisions if d.run is not None and needs_job_lock(d.run, d.events)}
    if not jobs:
        return await _append(db, decisions, actor)
    async with db.transaction():
        await lock_jobs(db, jobs)
        await share_pauses(db)
        await _refuse_redrives(db, decisions)
        accepted = [decision for decision in decisions if decision.events]
        result = await _append(db, accepted, actor)
        recorded = [d.run for d in accepted if d.run is not None and d.stream not in result.refused]
        if dead := {run.job_id: run for run in recorded if pauses_job(run)}:
            await _pause_jobs(db, dead, actor)
        await _hold(db, [d for d in accepted if d.stream not in result.lost and redriven(d.events)], actor)
    return result


async def _pause_jobs(db: Connection, dead: Mapping[UUID, Run], actor: Actor) -> None:
    """Pause the jobs of dead-lettered runs; the caller holds the jobs' locks."""
    locked = await load_locked(db, dead)
    due = [each.job.wake_at for each in locked if each.job.wake_at is not None]
    pauses = await pauses_since(db, min(due)) if due else Pauses()
    commands = [PauseOnDeadLetter(dead[job.id], pauses.of(job.definition.queue)) for job, _ in locked]
    await record(db, [decide_locked(each, command) for each, command in zip(locked, commands, strict=True)], actor)


async def _refuse_redrives(db: Connection, decisions: Iterable[RunDecision]) -> None:
    """Refuse the redrives with which a job would have too many active runs. The jobs are locked."""
    limited = [(d, d.run, limit) for d in decisions if d.run is not None and (limit := _max_active(d.work.command))]
    active = await count_active_runs(db, {run.job_id for _, run, _ in limited}) if limited else {}
    for decision, run, limit in limited:
        if active[run.job_id] >= limit:
            decision.refuse(TooManyActiveRuns(run.job_id, active[run.job_id] + 1, limit))
        else:
            active[run.job_id] += 1


def _max_active(command: RunCommand) -> int | None:
    return command.max_active if isinstance(command, RedriveRun) else None


async def _append(db: Connection, decisions: Sequence[RunDecision], actor: Actor) -> AppendResult:
    meta = actor.meta()
    runs = [decision.run for decision in decisions if decision.run is not None]
    writes = [_write(decision, run, meta) for decision, run in zip(decisions, runs, strict=True)]
    rated = [(write, run) for write, run in zip(writes, runs, strict=True) if write.rate is not None]
    if not rated:
        return await projections.append_and_update_runs(db, writes, runs)
    result = await projections.append_and_start_runs(db, *zip(*rated, strict=True))
    others = [(write, run) for write, run in zip(writes, runs, strict=True) if write.rate is None]
    if others:
        result.include(await projections.append_and_update_runs(db, *zip(*others, strict=True)))
    return result


_HELD = f"SELECT job_id FROM jobs WHERE job_id {one_of('$1')} AND held"  # noqa: S608


async def _hold(db: Connection, redriven: Sequence[RunDecision], actor: Actor) -> None:
    """Hold redriven runs of held jobs; the caller holds the jobs' locks."""
    at = {d.run.job_id: d.events[-1].at for d in redriven if d.run is not None}
    held = [record["job_id"] for record in await db.fetch(_HELD, list(at))] if at else []
    results = await decide_jobs(db, {job_id: HoldRuns(at[job_id]) for job_id in held}, actor) if held else []
    runs = {run.id: run for result in results for run in result.runs}
    for decision in redriven:
        decision.run = runs.get(decision.work.run_id, decision.run)


def _write(decision: RunDecision, run: Run, meta: bytes) -> Write:
    expected = run.version - len(decision.events)
    sent = isinstance(decision.events[-1], AttemptStarted | RunRequeued)
    queue = run.queue if sent else None
    rate = run.rate if isinstance(decision.events[-1], AttemptStarted) else None
    return Write(
        decision.stream, expected, decision.events, run.job_id, decision.work.id, meta,
        queue=queue, rate=rate, born=run.born,
    )  # fmt: skip


def _freeing(recorded: Iterable[RunDecision], awaited: set[str]) -> list[Run]:
    """The ended runs for which others may have waited: marked as awaited, with a concurrency key, or in a line."""
    freeing: list[Run] = []
    for decision in recorded:
        run = decision.run
        if run is None or not decision.events or not frees_slot(run):
            continue
        leaves = run.rate is not None and leaves_line(run)
        if decision.stream in awaited or run.concurrency is not None or leaves:
            decision.frees = True
            freeing.append(run)
    return freeing
