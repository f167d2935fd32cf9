"""Admission: sending runs that wait for other runs of their job, a slot of their key, their rate, or an executor.

Decided under the locks of job and key, so that limits hold with any number of schedulers. The end of the awaited run
wakes a waiting run; a growing interval also does, in case that wake-up was lost. In the line of a rate each decision
sets the times of the first runs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

import structlog

from duebook_common.domain.job.admission import ConcurrencySlots, Limits, WaitingRun, next_of_job, slots_by_run
from duebook_common.domain.job.commands import AdmitWaiting
from duebook_common.domain.job.rates import LEAD, admission_order
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.concurrency_keys import first_of_keys, key_holders, keys_of_waiting
from duebook_common.store.conflict import Conflict
from duebook_common.store.database import Connection, transaction
from duebook_common.store.executors import QueueTasks
from duebook_common.store.job_handling import load_locked, record
from duebook_common.store.job_plan import decide_locked
from duebook_common.store.locks import lock_keys, share_pauses, try_lock_jobs
from duebook_common.store.queue_pauses import pauses_now
from duebook_common.store.resilience import isolate_failures
from duebook_common.store.waiting_runs import WaitingRunRow
from duebook_common.store.wakeups import postpone_waiting, wake_now
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.rate_keys import RateKeys

log = structlog.stdlib.get_logger("admission")

_LONGEST_WAIT = timedelta(minutes=10)  # for an executor: its registration wakes the run at once
_SHORTEST_WAIT = timedelta(milliseconds=10)


class AdmissionResult(NamedTuple):
    """The admitted runs, which the caller sends, how many were decided, and how many to look at again at once."""

    admitted: list[Run]
    decided: int
    busy: int = 0


class Admission:
    """Admits waiting runs in the order of their creation, backfills last."""

    def __init__(self, context: PollContext) -> None:
        self._pool, self._clock = context.pool, context.clock
        self._lease, self._actor = context.settings.lease, context.actor
        self._served = context.served

    async def admit(self, waiting: Sequence[Run], served: QueueTasks) -> AdmissionResult:
        """Decide waiting runs that are due; only tasks that are `served` have an executor.

        What fails stays due. Raises any of UNAVAILABLE.
        """
        if not waiting:
            return AdmissionResult([], 0)
        results = await isolate_failures(waiting, partial(self._admit, served), _not_admitted)
        admitted = sorted((run for result in results for run in result.admitted), key=admission_order)
        decided, busy = sum(result.decided for result in results), sum(result.busy for result in results)
        return AdmissionResult(admitted, decided, busy)

    async def _admit(self, served: QueueTasks, waiting: Sequence[Run]) -> AdmissionResult:
        try:
            async with transaction(self._pool) as db:
                return await self._decide(db, waiting, served)
        except Conflict:
            return AdmissionResult([], 0, len(waiting))  # a run changed meanwhile: all stay due

    async def _decide(self, db: Connection, waiting: Sequence[Run], served: QueueTasks) -> AdmissionResult:
        await share_pauses(db)
        pauses = await pauses_now(db)
        job_ids = await try_lock_jobs(db, list({run.job_id for run in waiting}))
        locked = [run for run in waiting if run.job_id in set(job_ids)]
        keys = await keys_of_waiting(db, job_ids)
        await lock_keys(db, [*keys.concurrency, *(f"rate {key}" for key in keys.rates)])
        now = self._clock.now()
        lines = RateKeys(db, keys.rates, now)
        await lines.read(self._served, locked)
        holders = await key_holders(db, keys.concurrency)
        limits = Limits(ConcurrencySlots(holders), lines.rates)
        others: list[WaitingRun] = [*await self._waiting_longest(db, locked, holders, now)]

        def may_start(run: Run) -> bool:
            return (run.queue, run.task) in served and pauses.going_on(run.queue) is None

        jobs = await load_locked(db, job_ids)
        others += [run for job in jobs if (run := next_of_job(job.active, now, may_start)) is not None]
        with_slot = slots_by_run(filter(may_start, locked), limits, now, others)
        command = AdmitWaiting(with_slot, now, look_again_after=self._lease)
        results = [decide_locked(job, command) for job in jobs]
        await record(db, results, self._actor)
        changed = {run.id: run for result in results for run in result.runs}
        kept_slots = with_slot - changed.keys() - {run.id for run in locked}
        await wake_now(db, list(kept_slots))
        left = [run for run in locked if run.id not in changed]
        await self._postpone(db, left, limits, served, now)
        await lines.move_up(changed.keys() | {run.id for run in locked})
        await lines.go_on(changed.keys(), [run.id for run in left])
        admitted = [run for run in changed.values() if run.status is RunStatus.DISPATCHED]
        return AdmissionResult(admitted, len(locked), len(waiting) - len(locked) + len(kept_slots))

    async def _waiting_longest(
        self, db: Connection, due: Sequence[Run], holders: Mapping[str, int], now: datetime
    ) -> list[WaitingRunRow]:
        """The runs that have waited longest for a slot: the end of a run frees it before it wakes them."""
        first = await first_of_keys(db, due, holders, now)
        served = await self._served.among(db, {(run.queue, run.task) for run in first}, now)
        return [run for run in first if (run.queue, run.task) in served]

    async def _postpone(
        self, db: Connection, runs: Sequence[Run], limits: Limits, served: QueueTasks, now: datetime
    ) -> None:
        longest = [self._lease if (run.queue, run.task) in served else _LONGEST_WAIT for run in runs]
        looks = [next_look(run, now, most, limits) for run, most in zip(runs, longest, strict=True)]
        await postpone_waiting(db, list(zip(runs, looks, strict=True)))


def _not_admitted(run: Run, error: Exception) -> AdmissionResult:
    log.error("run cannot be admitted", run_id=str(run.id), job_id=str(run.job_id), exc_info=error)
    return AdmissionResult([], 0)


def next_look(run: Run, now: datetime, longest: timedelta, limits: Limits) -> datetime:
    """When to look again (UTC) at a waiting run that was not admitted.

    At its own time if that lies ahead, else after as long as it has waited already, at most `longest`. In the line of a
    rate not before the rate lets it start. Its deadline comes before all of these.
    """
    own_time = max(run.due_at, run.not_before or run.due_at)
    waited = max(now - (run.dispatched_at or run.created_at), timedelta(seconds=1))
    look = own_time if own_time > now else now + min(waited, longest)
    if run.reason != "overlap" and (at := limits.time_in_line(run)) is not None and at > now + LEAD:
        look = max(own_time, at - LEAD)
    if run.start_by is not None and run.attempt == 0:
        look = min(look, run.start_by)
    return max(look, now + _SHORTEST_WAIT)
