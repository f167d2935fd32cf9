"""Admission: sending runs that wait for other runs of their job, or for a free slot of their concurrency key.

Decided under the locks of job and key, so that limits hold with any number of schedulers. The end of the awaited run
wakes a waiting run; a growing interval also does, in case that wake-up was lost.
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
from duebook_common.store.concurrency_keys import key_holders, keys_of_waiting
from duebook_common.store.database import Clock, Connection, Pool, transaction
from duebook_common.store.job_handling import Actor, Conflict, decide_jobs
from duebook_common.store.locks import lock_keys, try_lock_jobs
from duebook_common.store.resilience import isolate_failures
from duebook_common.store.wakeups import postpone_waiting
from duebook_scheduler.settings import SchedulerSettings

log = structlog.stdlib.get_logger("admission")


class AdmissionResult(NamedTuple):
    """The admitted runs, which the caller sends, and how many were decided: other schedulers may hold the rest."""

    admitted: list[Run]
    decided: int


class Admission:
    """Admits waiting runs in the order of their creation, backfills last."""

    def __init__(self, pool: Pool, clock: Clock, settings: SchedulerSettings, actor: Actor) -> None:
        self._pool, self._clock = pool, clock
        self._settings, self._actor = settings, actor

    async def admit(self, waiting: Sequence[Run]) -> AdmissionResult:
        """Decide waiting runs that are due. What fails stays due. Raises any of UNAVAILABLE."""
        if not waiting:
            return AdmissionResult([], 0)
        results = await isolate_failures(waiting, self._admit, _not_admitted)
        admitted = [run for result in results for run in result.admitted]
        return AdmissionResult(admitted, sum(result.decided for result in results))

    async def _admit(self, waiting: Sequence[Run]) -> AdmissionResult:
        try:
            async with transaction(self._pool) as db:
                return await self._decide(db, waiting)
        except Conflict:
            return AdmissionResult([], 0)  # a run changed meanwhile: all stay due

    async def _decide(self, db: Connection, waiting: Sequence[Run]) -> AdmissionResult:
        job_ids = await try_lock_jobs(db, list({run.job_id for run in waiting}))
        locked = [run for run in waiting if run.job_id in set(job_ids)]
        keys = await keys_of_waiting(db, job_ids)
        await lock_keys(db, keys)
        now = self._clock.now()
        batch = _AdmissionBatch(locked, await key_holders(db, keys), now, self._settings.lease)
        results = await decide_jobs(db, job_ids, batch.decide, self._actor)
        changed = {run.id: run for result in results for run in result.runs}
        await self._postpone(db, [run for run in locked if run.id not in changed], now)
        return AdmissionResult([run for run in changed.values() if run.status is RunStatus.DISPATCHED], len(locked))

    async def _postpone(self, db: Connection, runs: Sequence[Run], now: datetime) -> None:
        lease = self._settings.lease
        await postpone_waiting(db, [(run, now + _until_next_look(run, now, lease)) for run in runs])


def _not_admitted(run: Run, error: Exception) -> AdmissionResult:
    log.error("run cannot be admitted", run_id=str(run.id), job_id=str(run.job_id), exc_info=error)
    return AdmissionResult([], 0)


class _AdmissionBatch:
    """The decisions about one batch of jobs. `holders` counts the runs that hold each locked key, admitted ones too."""

    def __init__(self, due: Sequence[Run], holders: Mapping[str, int], now: datetime, lease: timedelta) -> None:
        self._holders, self._now, self._lease = Counter(holders), now, lease
        waiting_for_key = [run for run in sorted(due, key=_order) if run.due_at <= now and not _waits_for_runs(run)]
        self._has_slot = {run.id for run in waiting_for_key if self._take_slot(run)}

    def decide(self, job: Job, active: Sequence[Run]) -> list[RunFact]:
        blocked = any(run.status is not RunStatus.WAITING for run in active)
        facts: list[RunFact] = []
        for run in sorted((run for run in active if run.status is RunStatus.WAITING), key=_order):
            alone = not blocked and run.due_at <= self._now
            free = (alone and self._take_slot(run)) if _waits_for_runs(run) else run.id in self._has_slot
            blocked = True  # the runs behind it wait for this one too
            deleted = job.status is JobStatus.DELETED
            command = WakeRun(self._now, random.random(), self._lease, job_deleted=deleted, free=free)
            facts += [RunFact(run.id, event) for event in decide(run, command)]
        return facts

    def _take_slot(self, run: Run) -> bool:
        """Take a slot of the run's key, if it has one; False if none is free, or the key is not locked."""
        if run.concurrency is None:
            return True
        key = run.concurrency.key
        if key not in self._holders or self._holders[key] >= run.concurrency.limit:
            return False
        self._holders[key] += 1
        return True


def _waits_for_runs(run: Run) -> bool:
    return run.reason == "overlap"


def _order(run: Run) -> tuple[bool, datetime, datetime, UUID]:
    """The order of admission: by creation, but backfills after all others."""
    return run.trigger is Trigger.BACKFILL, run.created_at, run.nominal_at, run.id


def _until_next_look(run: Run, now: datetime, lease: timedelta) -> timedelta:
    """As long as the run has waited already, at most a lease and at most until its deadline."""
    waited = min(max(now - run.created_at, timedelta(seconds=1)), lease)
    until_deadline = run.start_by - now if run.start_by is not None and run.attempt == 0 else waited
    return max(min(waited, until_deadline), timedelta(milliseconds=10))
