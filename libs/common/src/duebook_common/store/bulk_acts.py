"""The acts of a bulk operation on one batch of targets, within the transaction that also records the progress."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.bulk.decide import NOTHING_TO_DO, why_refused
from duebook_common.domain.bulk.events import ON_JOBS, BulkAction, command_id
from duebook_common.domain.bulk.progress import BatchOutcome
from duebook_common.domain.bulk.state import BulkOperation
from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import CommandRejected, JobDeletedAlready
from duebook_common.domain.job.ahead import awaited_instant
from duebook_common.domain.job.commands import DecisionContext, DeleteJob, JobCommand, PauseJob, ResumeJob, TriggerRun
from duebook_common.domain.run import events as run_events
from duebook_common.domain.run.commands import CancelRun, DiscardRun, RedriveRun, RunCommand
from duebook_common.domain.run.state import Run
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_targets import Target
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import has_recorded
from duebook_common.store.job_handling import load_locked, record
from duebook_common.store.job_plan import JobResult, LockedJob, decide_locked
from duebook_common.store.locks import lock_jobs
from duebook_common.store.queue_pauses import pauses_since
from duebook_common.store.rows import load_runs_to_decide
from duebook_common.store.run_handling import CommandResult, RunWork, handle_in_transaction

_DECIDING_SECONDS, _MOST_FACTS = 0.05, 1_000  # limits of one batch of jobs; the jobs beyond them are left


class BulkLimits(NamedTuple):
    """What decisions depend on besides jobs and runs."""

    misfire: timedelta
    max_active_runs: int


@dataclass(slots=True)
class Acts:
    """What came of a batch, and what follows once it is committed.

    `freeing` are ended runs for which others may have waited, `stopping` the runs whose attempt has to stop. `refusal`
    is the first error that refused a target.
    """

    outcome: BatchOutcome
    freeing: Sequence[Run] = ()
    stopping: Sequence[UUID] = ()
    refusal: CommandRejected | None = None


async def act(
    db: Connection, bulk: BulkOperation, targets: Sequence[Target], now: datetime, limits: BulkLimits
) -> Acts:
    """Act on each target. Nothing has been written in the transaction yet. Raises Conflict: roll back then."""
    actor = Actor(bulk.requested_by, bulk=str(bulk.id))
    if bulk.action in ON_JOBS:
        return await _act_on_jobs(db, bulk, targets, actor, _context(now, limits))
    return await _act_on_runs(db, bulk, targets, actor, partial(_run_command, bulk, now, limits))


def _context(now: datetime, limits: BulkLimits) -> DecisionContext:
    """New runs have no message yet: the poll sends them, as those of the api."""
    return DecisionContext(
        now=now,
        misfire=limits.misfire,
        look_again_after=timedelta(minutes=1),
        dispatch=0,
        max_active=limits.max_active_runs,
    )


def _run_command(bulk: BulkOperation, now: datetime, limits: BulkLimits, target: Target) -> RunCommand:
    """The command for a target, whose turn in the rate has come: an abort has nothing to take back."""
    match bulk.action:
        case BulkAction.CANCEL:
            return CancelRun(bulk.reason, now)
        case BulkAction.DISCARD:
            return DiscardRun(bulk.reason, now)
        case _:
            return RedriveRun(bulk.reason, target.max_attempts, now, max_active=limits.max_active_runs)


@dataclass(slots=True)
class _Count:
    """Counts the results of a batch."""

    done: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    again: list[UUID] = field(default_factory=list)
    refusal: CommandRejected | None = None

    def refuse(self, error: CommandRejected) -> None:
        self.refused[why_refused(error)] += 1
        self.refusal = self.refusal or error

    def outcome(self, used: int) -> BatchOutcome:
        return BatchOutcome(self.done, self.refused, self.again, used)


async def _act_on_runs(
    db: Connection,
    bulk: BulkOperation,
    targets: Sequence[Target],
    actor: Actor,
    command_for: Callable[[Target], RunCommand],
) -> Acts:
    count = _Count()
    valid = list(targets)
    if bulk.action is BulkAction.REDRIVE:
        valid = [target for target in targets if not target.job_deleted]
        count.refused.update([why_refused(JobDeletedAlready(bulk.id))] * (len(targets) - len(valid)))
    work = [RunWork(t.id, command_for(t), id=command_id(bulk.id, t.id)) for t in valid]
    results, freeing = await handle_in_transaction(db, work, actor)
    for item in work:
        await _count(db, count, item, results.get(item.id))
    stopping = [item.run_id for item in work if _is_stopping(results.get(item.id))]
    return Acts(count.outcome(len(work)), freeing, stopping, count.refusal)


async def _count(db: Connection, count: _Count, item: RunWork, result: CommandResult | None) -> None:
    """Count one result. What the log has already was counted then: it is found again if the progress was lost."""
    if result is None:
        count.again.append(item.run_id)
    elif isinstance(result.error, CommandRejected):
        count.refuse(result.error)
    elif result.error is not None:
        raise result.error
    elif result.events:
        count.done += 1
    elif not await has_recorded(db, run_events.stream(item.run_id), item.id):
        count.refused[NOTHING_TO_DO] += 1


def _is_stopping(result: CommandResult | None) -> bool:
    return result is not None and any(isinstance(event, run_events.RunCancelRequested) for event in result.events)


async def _act_on_jobs(
    db: Connection, bulk: BulkOperation, targets: Sequence[Target], actor: Actor, context: DecisionContext
) -> Acts:
    await lock_jobs(db, [target.id for target in targets])
    triggered = {target.id: command_id(bulk.id, target.id) for target in targets}
    earlier = await load_runs_to_decide(db, triggered.values()) if bulk.action is BulkAction.TRIGGER else {}
    count, results = _Count(), list[JobResult[JobCommand]]()
    jobs = await load_locked(db, triggered)
    pauses = await pauses_since(db, min((job.job.wake_at or context.now for job in jobs), default=context.now))
    began, facts, dealt_with = time.monotonic(), 0, 0
    for job in jobs:
        if dealt_with and (facts >= _MOST_FACTS or time.monotonic() - began > _DECIDING_SECONDS):
            count.again.append(job.job.id)
            continue
        dealt_with += 1
        of_queue = replace(context, pauses=pauses.of(job.job.definition.queue))
        command = _job_command(bulk, triggered[job.job.id], earlier, of_queue)
        if awaited_instant(command, job.active) is not None:
            count.again.append(job.job.id)
        elif result := _decide(count, job, command):
            facts += len(result.facts)
            results.append(result)
    await record(db, results, actor)
    return Acts(count.outcome(dealt_with), (), [id_ for result in results for id_ in result.stopped], count.refusal)


def _decide(count: _Count, job: LockedJob, command: JobCommand) -> JobResult[JobCommand] | None:
    try:
        result = decide_locked(job, command)
    except CommandRejected as error:
        count.refuse(error)
        return None
    if result.facts:
        count.done += 1
        return result
    if not isinstance(command, TriggerRun):  # a run that it has triggered before is counted already
        count.refused[NOTHING_TO_DO] += 1
    return None


def _job_command(
    bulk: BulkOperation, run_id: UUID, earlier: Mapping[UUID, Run], context: DecisionContext
) -> JobCommand:
    match bulk.action:
        case BulkAction.PAUSE:
            return PauseJob(bulk.reason, context)
        case BulkAction.RESUME:
            return ResumeJob(bulk.reason, context.now)
        case BulkAction.DELETE:
            return DeleteJob(context.now)
        case _:
            return TriggerRun(run_id, Overlap.ALLOW_ALL, context, earlier=earlier.get(run_id), cause=bulk.id)
