"""Releasing runs that wait: for other runs of their job to end, or for room under their concurrency key.

Judged under the locks of the job and of the key, so that limits hold with any number of schedulers. Whoever waits is
woken by the end that it waits for, and looked at now and then besides.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import structlog

from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.commands import WakeRun
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.events import RunFact, Trigger
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.database import Clock, Connection, Pool, transaction
from duebook_common.store.job_handling import Actor, Conflict, decide_jobs
from duebook_common.store.locks import lock_keys, try_lock_jobs
from duebook_common.store.resilience import isolate_failures
from duebook_common.store.wakeups import key_holders, keys_of_waiting
from duebook_scheduler.settings import SchedulerSettings

log = structlog.stdlib.get_logger("releasing")

# Whoever was woken meanwhile, or is being woken, has or gets another `wake_at` than the one that was read.
_LATER = """
WITH later AS MATERIALIZED (
    SELECT runs.run_id, later.wake_at
    FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS later (run_id, seen, wake_at)
    JOIN runs USING (run_id)
    WHERE runs.wake_at = later.seen AND runs.status = 'waiting'
    FOR UPDATE OF runs SKIP LOCKED
)
UPDATE runs SET wake_at = later.wake_at FROM later WHERE runs.run_id = later.run_id
"""


class AdmissionResult(NamedTuple):
    """The runs that are to be sent now, and how many were looked at: other schedulers may be at the rest."""

    sent: list[Run]
    dealt: int


class Admission:
    """Lets waiting runs go, in the order in which they came."""

    def __init__(self, pool: Pool, clock: Clock, settings: SchedulerSettings, actor: Actor) -> None:
        self._pool, self._clock, self._settings, self._actor = pool, clock, settings, actor

    async def release(self, waiting: Sequence[Run]) -> AdmissionResult:
        """Look at runs whose time to be looked at has come."""
        if not waiting:
            return AdmissionResult([], 0)
        results = await isolate_failures(waiting, self._release, _not_released)
        return AdmissionResult([run for each in results for run in each.sent], sum(each.dealt for each in results))

    async def _release(self, waiting: Sequence[Run]) -> AdmissionResult:
        try:
            async with transaction(self._pool) as db:
                return await self._decide(db, waiting)
        except Conflict:
            return AdmissionResult([], 0)  # a run moved on meanwhile: they are due still

    async def _decide(self, db: Connection, waiting: Sequence[Run]) -> AdmissionResult:
        job_ids = await try_lock_jobs(db, list({run.job_id for run in waiting}))
        mine = [run for run in waiting if run.job_id in set(job_ids)]
        keys = await keys_of_waiting(db, job_ids)
        await lock_keys(db, keys)
        now = self._clock.now()
        turn = _AdmissionBatch(mine, await key_holders(db, keys), now, self._settings.lease)
        outcomes = await decide_jobs(db, job_ids, turn.judge, self._actor)
        touched = {run.id: run for outcome in outcomes for run in outcome.runs}
        later = [run for run in mine if run.id not in touched]
        if later:
            rows = [(run.id, run.wake_at, now + _patience(run, now, self._settings.lease)) for run in later]
            await db.execute(_LATER, *zip(*rows, strict=True))
        return AdmissionResult([run for run in touched.values() if run.status is RunStatus.DISPATCHED], len(mine))


def _not_released(run: Run, error: Exception) -> AdmissionResult:
    log.error("run cannot be released", run_id=str(run.id), job_id=str(run.job_id), exc_info=error)
    return AdmissionResult([], 0)


class _AdmissionBatch:
    """The judging of one batch: `holders` of each key are counted up as runs are let go."""

    def __init__(self, woken: Sequence[Run], holders: Mapping[str, int], now: datetime, patience: timedelta) -> None:
        self._holders, self._now, self._patience = Counter(holders), now, patience
        due = [run for run in sorted(woken, key=_age) if run.due_at <= now]
        self._granted = {run.id for run in due if not _waits_for_runs(run) and self._take(run)}

    def judge(self, job: Job, active: Sequence[Run]) -> list[RunFact]:
        busy = any(run.status is not RunStatus.WAITING for run in active)
        facts: list[RunFact] = []
        for run in sorted((run for run in active if run.status is RunStatus.WAITING), key=_age):
            alone = not busy and run.due_at <= self._now
            free = (alone and self._take(run)) if _waits_for_runs(run) else run.id in self._granted
            busy = True  # those behind it wait for this one too
            deleted = job.status is JobStatus.DELETED
            command = WakeRun(self._now, random.random(), self._patience, job_deleted=deleted, free=free)
            facts += [RunFact(run.id, event) for event in decide(run, command)]
        return facts

    def _take(self, run: Run) -> bool:
        """Take a place under the run's key, if it has one; False where all are taken."""
        if run.concurrency is None:
            return True
        key = run.concurrency.key
        if key not in self._holders or self._holders[key] >= run.concurrency.limit:
            return False  # of a key whose lock is not held nothing is known
        self._holders[key] += 1
        return True


def _waits_for_runs(run: Run) -> bool:
    return run.reason == "overlap"


def _age(run: Run) -> tuple[bool, datetime, datetime, UUID]:
    """Who came first, the schedule's own before what is made up for."""
    return run.trigger is Trigger.BACKFILL, run.created_at, run.nominal_at, run.id


def _patience(run: Run, now: datetime, lease: timedelta) -> timedelta:
    """As long as it has waited already, within bounds: its end, or its deadline, is noticed even if nobody wakes it."""
    waited = min(max(now - run.created_at, timedelta(seconds=1)), lease)
    until_deadline = run.start_by - now if run.start_by is not None and run.attempt == 0 else waited
    return max(min(waited, until_deadline), timedelta(milliseconds=10))
