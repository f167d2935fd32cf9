"""Dispatch: due occurrences become runs and are sent, one batch of jobs at a time.

Three guards keep schedulers from dispatching an occurrence twice: the job's lock (`store/locks.py`), the version of the
job's stream that each commit checks (`_writes` in `store/job_plan.py`), and the run's id, which follows from job and
nominal time (`run_id_at` in `domain/run/ids.py`), so that its stream can be opened only once.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from duebook_common.domain.job.ahead import decision_time
from duebook_common.domain.job.commands import DecisionContext, Dispatch
from duebook_common.domain.job.schedule_history import EARLIEST
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.telemetry import RUNS
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import UNAVAILABLE, Connection, acquire, transaction
from duebook_common.store.executors import QueueTask, slots_for_short
from duebook_common.store.job_handling import load_locked, record
from duebook_common.store.job_plan import JobResult, LockedJob
from duebook_common.store.locks import lock_jobs, share_pauses, try_lock_jobs
from duebook_common.store.queue_pauses import pauses_since
from duebook_common.store.resilience import isolate_failures, one_by_one
from duebook_common.store.wakeups import postpone_jobs
from duebook_scheduler.contended_jobs import ContendedJobs
from duebook_scheduler.crowds import Crowds
from duebook_scheduler.dispatch_decisions import context_of, decide_within_limits, is_blocked, queue_task
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.due_jobs import find_due_jobs
from duebook_scheduler.early_runs import EarlyRuns
from duebook_scheduler.lanes import LaneReader, lateness, next_look
from duebook_scheduler.looks import Lane
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.queue_metrics import show_queues
from duebook_scheduler.run_sender import RunSender

log = structlog.stdlib.get_logger("dispatch")

_SHORTLY, _SOON, _AFTER_ERROR = timedelta(milliseconds=50), timedelta(seconds=1), timedelta(minutes=1)
_LOST_AFTER = timedelta(seconds=3)  # after the instant of a run that was decided ahead: an executor had time for it
_SHARE_AHEAD = 5  # of a batch, for what is not due, while more is due than a batch takes


class Dispatcher:
    """Finds due jobs, decides each under its lock and sends the new runs."""

    def __init__(self, context: PollContext, sender: RunSender, window: DispatchWindow, hints: Hints) -> None:
        self._pool, self._clock = context.pool, context.clock
        self._settings, self._actor = context.settings, context.actor
        self._sender, self._window = sender, window
        self._hints, self._served, self._paused = hints, context.served, context.paused
        self._deferred: dict[UUID, datetime] = {}
        self._not_ahead: dict[UUID, datetime] = {}  # these jobs are decided when they are due
        self._backlog = False  # more was due than the last batch took
        self._more = False  # the last pass left something that it could have decided
        self._lanes = LaneReader("jobs")
        self._crowds, self._early = Crowds(), EarlyRuns(context.settings.look_ahead)
        self._contended = ContendedJobs(self._decide_contended)
        self.next_due: datetime | None = None
        self.lateness = timedelta(0)  # of the first job that was due at the last pass, in a queue that is not paused

    async def step(self) -> int:
        """Dispatch one batch; returns how many jobs were decided, if the next pass has to follow at once."""
        if not self._sender.connected:
            self.lateness = timedelta(0)
            return 0  # RabbitMQ is unavailable: the due jobs stay due
        await self._send(self._contended.take())
        now = self._clock.now()
        await self._sender.send(self._early.take(now))
        open_lanes, until = await self._open_lanes(now)
        due = [(lane, capacity) for lane, capacity in open_lanes if lane.first <= now]
        self._backlog = self._more = False
        decided = await self._dispatch(due, now) if due else 0  # what is due comes first
        may_be_ahead = self._may_be_ahead(open_lanes, due) if until > now else []
        if may_be_ahead:
            most = self._settings.batch // _SHARE_AHEAD if self._backlog else self._settings.batch
            decided += await self._dispatch_ahead(may_be_ahead, now, until, max(1, most))
        if not decided or self._more or not may_be_ahead:
            return decided
        self._look_again_soon(now)
        return 0

    def _look_again_soon(self, now: datetime) -> None:
        """All that is due soon was decided: what follows closely is decided together, unless something must be due."""
        soon = min([now + self._settings.look_ahead / 3, *self._not_ahead.values()])
        self.next_due = min(self.next_due or soon, soon)

    async def close(self) -> None:
        """Decide nothing more beside the poll, and send what was decided."""
        await self._contended.close()
        await self._send(self._contended.take())
        await self._sender.send(self._early.take())

    async def _open_lanes(self, now: datetime) -> tuple[list[tuple[Lane, int]], datetime]:
        """How far ahead to decide, and the lanes with jobs due by then whose queue has capacity, each with that."""
        ahead = self._settings.look_ahead
        async with acquire(self._pool) as db:
            found = await self._lanes.read(db, now)
            show_queues(lane.queue for lane in found)
            until, look_at = await self._crowds.horizon(db, found, now, ahead)
            looks = (next_look(found, now, ahead), look_at, self._early.next_at, self._lanes.look_again_at(now))
            self.next_due = min((time for time in looks if time is not None), default=None)
            due = [lane for lane in found if lane.first <= until and self._paused.now.going_on(lane.queue) is None]
            self.lateness = lateness(due, now)
            if not due:
                return [], until
            # Some of these jobs may stay due: other schedulers hold their locks, or a limit is reached.
            self.next_due = min(self.next_due or now + _SOON, now + _SOON)
            queues = {lane.queue for lane in due} - self._sender.held_queues
            capacity = await self._window.capacity(db, queues, now)
        return [(lane, capacity[lane.queue]) for lane in due if capacity.get(lane.queue, 0) > 0], until

    def _may_be_ahead(
        self, open_lanes: Sequence[tuple[Lane, int]], due: Sequence[tuple[Lane, int]]
    ) -> list[tuple[Lane, int]]:
        """The lanes whose jobs may be decided ahead: where more is due than one batch takes, none overtakes it."""
        behind = {lane.queue for lane, _ in due} if self._backlog else set[str]()
        lanes = [lane for lane, _ in open_lanes if lane.queue not in behind]
        return [(lane, left) for lane in lanes if (left := self._window.left(lane.queue)) > 0]

    async def _dispatch(self, open_lanes: Sequence[tuple[Lane, int]], now: datetime) -> int:
        candidates: list[UUID] = []
        job_ids: list[UUID] = []
        try:
            async with transaction(self._pool) as db:
                await share_pauses(db)
                candidates = await self._candidates(db, open_lanes, now)
                job_ids = await try_lock_jobs(db, candidates)
                results = await self._decide(db, job_ids)
        except UNAVAILABLE:
            raise
        except Exception as error:
            results = await self._retry(job_ids, error)
        self._contended.missed(set(candidates).difference(job_ids))
        if len(job_ids) < len(candidates) or self._contended.waiting:
            self.next_due = now + _SHORTLY
        await self._send(results)
        self._backlog = len(candidates) >= self._settings.batch or len(results) < len(job_ids)
        self._more = self._backlog or any((at := result.job.wake_at) is not None and at <= now for result in results)
        return sum(bool(result.facts) for result in results)

    async def _dispatch_ahead(
        self, open_lanes: Sequence[tuple[Lane, int]], now: datetime, until: datetime, most: int
    ) -> int:
        """Decide what is due by `until`, as far as nothing can change the decision; the rest is decided when due."""
        self._not_ahead = {job_id: due_at for job_id, due_at in self._not_ahead.items() if due_at > now}
        async with acquire(self._pool) as db:
            candidates = await self._candidates(db, open_lanes, until, now, most)
        if not candidates:
            return 0
        try:
            async with transaction(self._pool) as db:
                await share_pauses(db)
                results = await self._decide(db, await try_lock_jobs(db, candidates), ahead=True)
        except UNAVAILABLE:
            raise
        except Exception as error:
            log.info("jobs are decided when they are due, not ahead", jobs=len(candidates), error=error)
            self._not_ahead |= dict.fromkeys(candidates, until)
            return 0
        await self._send(results)
        self._more |= len(candidates) == most or len(results) < len(candidates)
        return sum(bool(result.facts) for result in results)

    async def _candidates(
        self, db: Connection, open_lanes: Sequence[tuple[Lane, int]], until: datetime, after: datetime = EARLIEST,
        most: int | None = None,
    ) -> list[UUID]:  # fmt: skip
        """The jobs due after `after` and by `until`, at most `most`, or a batch."""
        if after is EARLIEST:
            self._deferred = {job_id: time for job_id, time in self._deferred.items() if time > until}
        left_out = [*self._deferred, *(self._not_ahead if after is not EARLIEST else ())]
        return await find_due_jobs(db, open_lanes, after, until, left_out, most or self._settings.batch)

    async def _decide(
        self, db: Connection, job_ids: Sequence[UUID], *, ahead: bool = False
    ) -> list[JobResult[Dispatch]]:
        """Decide what the jobs have due; with `ahead` also what they will have due next, where that is certain."""
        now, settings = self._clock.now(), self._settings
        context = DecisionContext(
            now=now,
            misfire=settings.misfire,
            look_again_after=settings.lease,
            dispatch=1,
            max_active=settings.max_active_runs,
        )
        jobs = await load_locked(db, job_ids)
        pauses = await pauses_since(db, min((job.job.wake_at or now for job in jobs), default=now))
        jobs = [job for job in jobs if pauses.going_on(job.job.definition.queue) is None]
        served = await self._served.among(db, map(queue_task, jobs), now)
        contexts = [context_of(job, context, pauses, served) for job in jobs]
        if ahead:
            jobs, contexts = self._certain(jobs, contexts)
        results = decide_within_limits(jobs, [*map(Dispatch, contexts)])
        await record(db, results, self._actor)
        await postpone_jobs(db, [result.job.id for result in results if is_blocked(result)], now + _SOON)
        return results

    def _certain(
        self, jobs: Sequence[LockedJob], contexts: Sequence[DecisionContext]
    ) -> tuple[list[LockedJob], list[DecisionContext]]:
        """The jobs that can be decided, each with a context at the time of its decision. The others wait till due."""
        decided: list[tuple[LockedJob, DecisionContext]] = []
        for job, context in zip(jobs, contexts, strict=True):
            if (time := decision_time(*job, context)) is not None:
                look_again = min(context.look_again_after, _LOST_AFTER) if time > context.now else self._settings.lease
                decided.append((job, replace(context, now=time, look_again_after=look_again)))
            elif job.job.wake_at is not None:
                self._not_ahead[job.job.id] = job.job.wake_at
        return [job for job, _ in decided], [context for _, context in decided]

    async def _retry(self, job_ids: Sequence[UUID], error: Exception) -> list[JobResult[Dispatch]]:
        """Retry a failed batch.

        Jobs that lost a version conflict are decided one by one, the rest as a batch again. After any other error all
        are decided one by one.
        """
        conflicting = error.jobs if isinstance(error, Conflict) else frozenset[UUID]()
        rest = [job_id for job_id in job_ids if job_id not in conflicting]
        if not conflicting:
            log.warning("batch failed, jobs are decided one by one", error=error, jobs=len(job_ids))
            return await self._one_by_one(job_ids)
        try:
            async with transaction(self._pool) as db:
                await share_pauses(db)
                results = await self._decide(db, await try_lock_jobs(db, rest))
        except UNAVAILABLE:
            raise
        except Exception as another:
            results = await self._retry(rest, another)
        return results + await self._one_by_one([job_id for job_id in job_ids if job_id in conflicting])

    async def _one_by_one(self, job_ids: Sequence[UUID]) -> list[JobResult[Dispatch]]:
        """Decide each job in a transaction of its own, so that a failing job does not block the others."""
        batches = await one_by_one(job_ids, self._decide_locked, self._defer)
        return [result for results in batches for result in results]

    async def _decide_locked(self, job_ids: Sequence[UUID]) -> list[JobResult[Dispatch]]:
        async with transaction(self._pool) as db:
            await lock_jobs(db, job_ids)  # first: who waits for it would keep a pause waiting, and so each start
            await share_pauses(db)
            return await self._decide(db, job_ids)

    async def _decide_contended(self, job_ids: Sequence[UUID]) -> list[JobResult[Dispatch]]:
        """Wait for the jobs' locks and decide them together; if that fails, one by one."""
        batches = await isolate_failures(job_ids, self._decide_locked, self._defer)
        return [result for results in batches for result in results]

    def _defer(self, job_id: UUID, error: Exception) -> list[JobResult[Dispatch]]:
        """Leave a failed job out of the next polls: for a second after a conflict, for a minute after an error.

        Each process keeps its own list, so another scheduler tries the job too.
        """
        pause = _SOON
        if not isinstance(error, Conflict):
            log.error("job cannot be decided; the next try follows in a minute", job_id=str(job_id), exc_info=error)
            pause = _AFTER_ERROR
        self._deferred[job_id] = self._clock.now() + pause
        return []

    async def _send(self, results: Sequence[JobResult[Dispatch]]) -> None:
        runs = [run for result in results for run in result.runs]
        dispatched = [run for run in runs if run.status is RunStatus.DISPATCHED]
        self._window.use(dispatched)
        for run in runs:
            if run.status is RunStatus.SKIPPED:
                RUNS.labels(run.queue, "skipped").inc()
        soon = await self._keep_early(dispatched)
        await self._sender.send(sorted(soon, key=lambda run: (-run.priority, run.due_at)))
        for run_id in (run_id for result in results for run_id in result.stopped):
            self._hints.cancel(run_id)

    async def _keep_early(self, runs: Sequence[Run]) -> list[Run]:
        """Keep what need not be sent yet; returns the runs to send now."""
        now = self._clock.now()
        slots: dict[QueueTask, float] = {}
        if far := self._early.far(runs, now):
            async with acquire(self._pool) as db:
                slots = await slots_for_short(db, far)
        return self._early.keep(runs, now, slots)
