"""Waking due runs: the scheduler's part in lost attempts, retries, lost messages, waiting runs and burials."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from duebook_common.domain.errors import QueueIsPaused
from duebook_common.domain.run.commands import WakeRun
from duebook_common.domain.run.events import AttemptLost, RunDeadLettered, RunRequeued
from duebook_common.domain.run.losses import BURY_WITHIN
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.telemetry import DEAD_LETTERS, RETRIES, RUNS
from duebook_common.store.database import acquire
from duebook_common.store.executors import QueueTasks
from duebook_common.store.rate_wakeups import wake_lines
from duebook_common.store.run_handling import CommandResult, RunWork, handle_runs
from duebook_common.store.wakeups import postpone_runs, postpone_waiting
from duebook_scheduler.admission import Admission
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.due_runs import DueRun, load_due_runs
from duebook_scheduler.lanes import LaneReader, earliest, lateness
from duebook_scheduler.lost_messages import LostMessageDetector
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.waking import NEEDS_CAPACITY, Admit, Bury, Postpone, Wake, WakeContext, classify, may_be_lost

log = structlog.stdlib.get_logger("waker")

_WHILE_LOCKED = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class _Plan:
    """One batch of due runs, sorted by what they need."""

    postponed: list[tuple[Run, datetime]] = field(default_factory=list)
    dead: list[Run] = field(default_factory=list)
    waiting: list[Run] = field(default_factory=list)
    to_wake: list[DueRun] = field(default_factory=list)
    served: QueueTasks = frozenset()


class Waker:
    """Finds the runs whose `wake_at` has passed and does what each needs."""

    def __init__(
        self,
        context: PollContext,
        sender: RunSender,
        window: DispatchWindow,
        lost_messages: LostMessageDetector,
        admission: Admission,
    ) -> None:
        self._pool, self._clock = context.pool, context.clock
        self._settings, self._actor = context.settings, context.actor
        self._sender, self._window = sender, window
        self._lost_messages = lost_messages
        self._admission, self._served, self._paused = admission, context.served, context.paused
        self._leases_trusted_at: datetime | None = None
        self._lanes = LaneReader("runs")
        self.next_due: datetime | None = None
        self.lateness = timedelta(0)  # of the first run that was due at the last pass

    def distrust_leases(self) -> None:
        """Declare no attempt lost for one full lease: this process may have been cut off, not the executors."""
        self._leases_trusted_at = None

    async def step(self) -> int:
        """Wake one batch of due runs; returns how many were dealt with."""
        now = self._clock.now()
        if self._leases_trusted_at is None:
            self._leases_trusted_at = now + self._settings.lease
        async with acquire(self._pool) as db:
            found = await self._lanes.read(db, now)
            looks = (earliest(found, now), self._lanes.look_again_at(now))
            self.next_due = min((time for time in looks if time is not None), default=None)
            self.lateness = lateness(found, now)
            due_runs = await load_due_runs(db, found, now, self._settings.batch)
            if not due_runs:
                return 0
            queues = {due.run.queue for due in due_runs if due.run.status in NEEDS_CAPACITY}
            capacity = await self._window.capacity(db, queues, now)
            capacity |= dict.fromkeys(queues & self._sender.held_queues, 0)
            lost = await self._lost_messages.lost(db, [due.run for due in due_runs if may_be_lost(due, now)])
            served = await self._served.among(db, {(due.run.queue, due.run.task) for due in due_runs}, now)
        wake_context = WakeContext(now, self._leases_trusted_at, capacity, frozenset(lost), self._paused.now)
        plan = replace(_plan(due_runs, wake_context, capacity), served=served)
        return await self._execute(plan, now)

    async def _execute(self, plan: _Plan, now: datetime) -> int:
        await self._postpone([*plan.postponed, *((run, now + BURY_WITHIN) for run in plan.dead)])
        await self._wake(plan.to_wake, plan.served, now)
        admission = await self._admission.admit(plan.waiting, plan.served)
        if admission.busy:
            soon = now + _WHILE_LOCKED
            self.next_due = soon if self.next_due is None else min(soon, self.next_due)
        await self._send(admission.admitted)
        await self._sender.send(plan.dead, bury=True)
        return len(plan.postponed) + len(plan.to_wake) + admission.decided + len(plan.dead)

    async def _postpone(self, postponed: Sequence[tuple[Run, datetime]]) -> None:
        """A waiting run gets no event when it is woken, so its `wake_at` must be the one that was read."""
        if not postponed:
            return
        async with acquire(self._pool) as db:
            await postpone_runs(db, [each for each in postponed if each[0].status is not RunStatus.WAITING])
            await postpone_waiting(db, [each for each in postponed if each[0].status is RunStatus.WAITING])
            await wake_lines(db, {key for run, _ in postponed if (key := self._line_to_wake(run)) is not None})

    def _line_to_wake(self, run: Run) -> str | None:
        """The key in whose line the run lets others pass, because its queue is paused."""
        is_paused = run.status is RunStatus.WAITING and self._paused.now.going_on(run.queue) is not None
        return run.rate.key if run.rate is not None and is_paused else None

    async def _wake(self, due_runs: Sequence[DueRun], served: QueueTasks, now: datetime) -> None:
        if not due_runs:
            return
        wake = partial(WakeRun, now, look_again_after=self._settings.lease)

        def has_executor(run: Run) -> bool:
            return (run.queue, run.task) in served

        work = [
            RunWork(
                due.run.id,
                wake(
                    random.random(),
                    job_deleted=due.job_deleted,
                    has_executor=has_executor(due.run),
                    queue_paused=self._paused.now.going_on(due.run.queue) is not None,
                ),
            )
            for due in due_runs
        ]
        results = await handle_runs(self._pool, work, self._actor)
        for due, result in zip(due_runs, results, strict=True):
            count_woken(due.run, result)
        await self._send(runs_with(RunRequeued, results))
        await self._sender.send(runs_with(RunDeadLettered, results), bury=True)

    async def _send(self, runs: Sequence[Run]) -> None:
        self._window.use(runs)
        await self._sender.send(runs)


def _plan(due_runs: Sequence[DueRun], context: WakeContext, capacity: dict[str, int]) -> _Plan:
    """Sort due runs by what they need. Counts the context's `capacity` down: each retry takes one of its queue's."""
    plan = _Plan()
    for due in due_runs:
        match classify(due, context, random.random()):
            case Postpone(until):
                plan.postponed.append((due.run, until))
            case Bury():
                plan.dead.append(due.run)
            case Admit():
                plan.waiting.append(due.run)
            case Wake():
                plan.to_wake.append(due)
                if due.run.status is RunStatus.RETRYING:
                    capacity[due.run.queue] -= 1
    return plan


def runs_with(event: type, results: Sequence[CommandResult]) -> list[Run]:
    """The runs that got an event of this type."""
    return [r.run for r in results if r.run is not None and any(isinstance(e, event) for e in r.events)]


def count_woken(run: Run, result: CommandResult) -> None:
    """Count and log what became of a run that was woken, or lost with its executor."""
    if isinstance(result.error, QueueIsPaused):
        return  # it stays due, and the next pass sees the pause
    if result.error is not None:
        log.error("run cannot be woken", run_id=str(run.id), job_id=str(run.job_id), error=result.error)
    for event in result.events:
        if isinstance(event, AttemptLost):
            RUNS.labels(run.queue, "lost").inc()
            log.warning("attempt lost", run_id=str(run.id), job_id=str(run.job_id), attempt=event.attempt)
            if event.retry_at is not None:
                RETRIES.labels(run.queue).inc()
        elif isinstance(event, RunDeadLettered):
            DEAD_LETTERS.labels(run.queue).inc()
