"""Dispatch: turn due occurrences into runs and send them, a batch at a time."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from duebook_common.domain.job.events import Fact
from duebook_common.domain.job.new_runs import DecisionContext
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.telemetry import RUNS
from duebook_common.store.database import UNAVAILABLE, Clock, Connection, Pool, acquire, transaction
from duebook_common.store.job_handling import Actor, Conflict, JobResult, decide_jobs
from duebook_common.store.locks import lock_jobs, try_lock_jobs
from duebook_common.store.resilience import one_by_one
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.lanes import Lane, earliest, lanes
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.settings import SchedulerSettings

log = structlog.stdlib.get_logger("dispatch")

# The room is a queue's, so its lanes share it: what is more urgent takes its place first.
_CANDIDATES = """
SELECT job_id FROM (
    SELECT due.job_id, due.wake_at, lane.priority, lane.most,
           row_number() OVER (PARTITION BY lane.queue ORDER BY lane.priority DESC, due.wake_at) AS place
    FROM unnest($1::text[], $2::int[], $3::int[]) AS lane (queue, priority, most), LATERAL (
        SELECT job_id, wake_at FROM jobs
        WHERE wake_at IS NOT NULL AND jobs.queue = lane.queue AND jobs.priority = lane.priority AND wake_at <= $4
          AND job_id <> ALL($5::uuid[])
        ORDER BY jobs.queue, jobs.priority, wake_at LIMIT lane.most
    ) AS due
) AS ranked
WHERE place <= most
ORDER BY priority DESC, wake_at LIMIT $6
"""

# Catching up goes on once runs have ended: no need to look before. Not a fact, so not an event.
_HOLD = "UPDATE jobs SET wake_at = $2 WHERE job_id = ANY($1::uuid[]) AND wake_at < $2"

_SET_ASIDE, _HELD = timedelta(minutes=1), timedelta(seconds=1)
_JUDGING_SECONDS, _MOST_FACTS = 0.05, 1_000  # in one batch; whoever has not had his turn by then is due still


class Dispatcher:
    """Finds jobs that are due, decides each under its lock, and sends the runs that came of it."""

    def __init__(
        self, pool: Pool, clock: Clock, sender: RunSender, window: DispatchWindow,
        hints: Hints, settings: SchedulerSettings, actor: Actor,
    ) -> None:  # fmt: skip
        self._pool, self._clock, self._sender, self._window = pool, clock, sender, window
        self._hints, self._settings, self._actor = hints, settings, actor
        self._set_aside: dict[UUID, datetime] = {}
        self.next_due: datetime | None = None

    async def step(self) -> int:
        """Dispatch one batch; returns how many jobs were decided."""
        if not await self._sender.flush():
            return 0  # the broker is away: what is due stays a due row
        now = self._clock.now()
        async with acquire(self._pool) as db:
            found = await lanes(db, "jobs")
            self.next_due = earliest(found, now)
            due = [lane for lane in found if lane.first <= now]
            if due:  # whatever keeps some of it from being decided now, it is worth another look soon
                self.next_due = min(self.next_due or now + _HELD, now + _HELD)
            room = await self._window.of(db, {lane.queue for lane in due}, now) if due else {}
        wanted = [(lane, room[lane.queue]) for lane in due if room[lane.queue] > 0]
        return await self._dispatch(wanted, now) if wanted else 0

    async def _dispatch(self, wanted: Sequence[tuple[Lane, int]], now: datetime) -> int:
        job_ids: list[UUID] = []
        try:
            async with transaction(self._pool) as db:
                job_ids = await try_lock_jobs(db, await self._candidates(db, wanted, now))
                outcomes = await self._decide(db, job_ids)
        except UNAVAILABLE:
            raise
        except Exception as error:
            outcomes = await self._again(job_ids, error)
        await self._send(outcomes)
        return sum(bool(outcome.facts) for outcome in outcomes)

    async def _decide(self, db: Connection, job_ids: Sequence[UUID]) -> list[JobResult]:
        turn = _DispatchBatch(self._clock.now(), self._settings)
        outcomes = await decide_jobs(db, job_ids, turn.judge, self._actor)
        if turn.held:
            await db.execute(_HOLD, turn.held, turn.now + _HELD)
        return outcomes

    async def _candidates(self, db: Connection, wanted: Sequence[tuple[Lane, int]], now: datetime) -> list[UUID]:
        most = self._settings.batch
        rows = [(lane.queue, lane.priority, min(room, most)) for lane, room in wanted]
        self._set_aside = {job_id: until for job_id, until in self._set_aside.items() if until > now}
        records = await db.fetch(_CANDIDATES, *zip(*rows, strict=True), now, list(self._set_aside), most)
        return [record["job_id"] for record in records]

    async def _again(self, job_ids: Sequence[UUID], error: Exception) -> list[JobResult]:
        """A batch that failed: the jobs whose runs moved on meanwhile each by itself, and so all if that is not why."""
        overtaken = error.jobs if isinstance(error, Conflict) else frozenset[UUID]()
        rest = [job_id for job_id in job_ids if job_id not in overtaken]
        if not overtaken:
            log.warning("batch failed, jobs are decided one by one", error=repr(error), jobs=len(job_ids))
            return await self._one_by_one(job_ids)
        try:
            async with transaction(self._pool) as db:
                outcomes = await self._decide(db, await try_lock_jobs(db, rest))
        except UNAVAILABLE:
            raise
        except Exception as another:
            outcomes = await self._again(rest, another)
        return outcomes + await self._one_by_one([job_id for job_id in job_ids if job_id in overtaken])

    async def _one_by_one(self, job_ids: Sequence[UUID]) -> list[JobResult]:
        """Each job in a transaction of its own, so that a poisonous one fails alone."""
        results = await one_by_one(job_ids, self._decide_locked, self._set_job_aside)
        return [outcome for outcomes in results for outcome in outcomes]

    async def _decide_locked(self, job_ids: Sequence[UUID]) -> list[JobResult]:
        async with transaction(self._pool) as db:
            await lock_jobs(db, job_ids)
            return await self._decide(db, job_ids)

    def _set_job_aside(self, job_id: UUID, error: Exception) -> list[JobResult]:
        pause = _HELD  # after a conflict: a run of the job moved on by itself, and the job is still due
        if not isinstance(error, Conflict):
            log.error("job cannot be decided; set aside for a minute", job_id=str(job_id), exc_info=error)
            pause = _SET_ASIDE
        self._set_aside[job_id] = self._clock.now() + pause
        return []

    async def _send(self, outcomes: Sequence[JobResult]) -> None:
        opened = [run for outcome in outcomes for run in outcome.runs]
        sent = [run for run in opened if run.status is RunStatus.DISPATCHED]
        self._window.use(sent)
        for run in opened:
            if run.status is RunStatus.SKIPPED:
                RUNS.labels(run.queue, "skipped").inc()
        await self._sender.send(sorted(sent, key=lambda run: (-run.priority, run.due_at)))
        for run_id in (run_id for outcome in outcomes for run_id in outcome.stopped):
            self._hints.cancel(run_id)


class _DispatchBatch:
    """The judging of one batch, in bounded time: a poll must never be busy for long.

    Its time begins with the first job, for loading the batch is no judging. `held` are jobs that are due, and whose
    catching up must wait until some of their runs have ended.
    """

    def __init__(self, now: datetime, settings: SchedulerSettings) -> None:
        self.now, self.held = now, list[UUID]()
        self._terms = DecisionContext(now=now, misfire=settings.misfire, patience=settings.lease, dispatch=1)
        self._until: float | None = None
        self._facts = 0

    def judge(self, job: Job, active: Sequence[Run]) -> Sequence[Fact]:
        if self._until is None:
            self._until = time.monotonic() + _JUDGING_SECONDS
        if job.wake_at is None or job.wake_at > self.now or self._over():
            return []
        facts = account(job, active, self._terms)
        if not facts:
            self.held.append(job.id)
        self._facts += len(facts)
        return facts

    def _over(self) -> bool:
        return self._facts >= _MOST_FACTS or (self._until is not None and time.monotonic() > self._until)
