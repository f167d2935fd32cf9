"""Waking runs: lost attempts, retries, messages that nobody heard, and dead letters that must be buried."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from duebook_common.domain.run.commands import WakeRun
from duebook_common.domain.run.decide import BURY_WITHIN
from duebook_common.domain.run.events import AttemptLost, RunDeadLettered, RunRequeued
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.telemetry import DEAD_LETTERS, RETRIES, RUNS
from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.job_handling import Actor
from duebook_common.store.rows import run_of
from duebook_common.store.run_handling import CommandResult, RunWork, handle_runs
from duebook_scheduler.admission import Admission
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.lanes import earliest, lanes
from duebook_scheduler.lost_messages import LostMessageDetector
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.settings import SchedulerSettings

log = structlog.stdlib.get_logger("waking")

_WOKEN = """
SELECT runs.*, leases.expires_at, jobs.status = 'deleted' AS job_deleted
FROM unnest($1::text[], $2::int[]) AS lane (queue, priority), LATERAL (
    SELECT * FROM runs
    WHERE wake_at IS NOT NULL AND runs.queue = lane.queue AND runs.priority = lane.priority AND wake_at <= $3
    ORDER BY runs.queue, runs.priority, wake_at LIMIT $4
) AS runs
JOIN jobs USING (job_id)
LEFT JOIN leases ON leases.run_id = runs.run_id AND leases.attempt = runs.attempt
ORDER BY runs.priority DESC, runs.wake_at LIMIT $4
"""

# A row that is just being written moves by itself; to wait for it while holding others could deadlock with its writer.
_MOVE = """
WITH moved AS MATERIALIZED (
    SELECT runs.run_id, runs.version, moved.wake_at
    FROM unnest($1::uuid[], $2::int[], $3::timestamptz[]) AS moved (run_id, version, wake_at)
    JOIN runs USING (run_id, version)
    FOR UPDATE OF runs SKIP LOCKED
)
UPDATE runs SET wake_at = moved.wake_at FROM moved
WHERE runs.run_id = moved.run_id AND runs.version = moved.version
"""

_TO_SEND = frozenset({RunStatus.RETRYING, RunStatus.WAITING})
_LONGEST_PATIENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run whose `wake_at` has passed, with what is known beside it."""

    run: Run
    lease_until: datetime | None
    job_deleted: bool


def _woken(record: Any) -> DueRun:
    return DueRun(run_of(record), record["expires_at"], record["job_deleted"])


class Waker:
    """Looks at every run whose time has come and does what its state asks for."""

    def __init__(
        self, pool: Pool, clock: Clock, sender: RunSender, window: DispatchWindow, lost_messages: LostMessageDetector,
        admission: Admission, settings: SchedulerSettings, actor: Actor,
    ) -> None:  # fmt: skip
        self._pool, self._clock, self._sender, self._window, self._lost_messages = (
            pool,
            clock,
            sender,
            window,
            lost_messages,
        )
        self._admission, self._settings, self._actor = admission, settings, actor
        self._trust_leases_at: datetime | None = None
        self.next_due: datetime | None = None

    def distrust_leases(self) -> None:
        """Let one full lease pass before any attempt is declared lost: who was cut off may have been us."""
        self._trust_leases_at = None

    async def step(self) -> int:
        """Deal with one batch; returns how many runs were moved on."""
        now = self._clock.now()
        if self._trust_leases_at is None:
            self._trust_leases_at = now + self._settings.lease
        async with acquire(self._pool) as db:
            found = await lanes(db, "runs")
            self.next_due = earliest(found, now)
            due = [(lane.queue, lane.priority) for lane in found if lane.first <= now]
            if not due:
                return 0
            records = await db.fetch(_WOKEN, *zip(*due, strict=True), now, self._settings.batch)
            woken = [_woken(record) for record in records]
            retries = {w.run.queue for w in woken if w.run.status in _TO_SEND}
            room = await self._window.of(db, retries, now)
            unheard = [w.run for w in woken if _may_be_lost(w, now)]
            lost = await self._lost_messages.lost(db, unheard)
        return await self._deal(woken, room, lost, now)

    async def _deal(self, woken: Sequence[DueRun], room: dict[str, int], lost: set[UUID], now: datetime) -> int:
        act, bury, waiting = list[DueRun](), list[Run](), list[Run]()
        later = list[tuple[Run, datetime]]()
        for item in woken:
            run = item.run
            if run.status is RunStatus.DEAD_LETTERED:
                bury.append(run)
                later.append((run, now + BURY_WITHIN))
            elif run.status is RunStatus.RUNNING and item.lease_until is not None and item.lease_until > now:
                later.append((run, item.lease_until))
            elif run.status is RunStatus.RUNNING and not self._leases_trusted(now):
                later.append((run, self._trust_leases_at or now))
            elif run.status in _TO_SEND and not item.job_deleted and room[run.queue] <= 0:
                later.append((run, now + timedelta(seconds=random.uniform(1, 10))))  # not all at once again
            elif _may_be_lost(item, now) and run.id not in lost:
                later.append((run, now + _patience(run, now)))
            elif run.status is RunStatus.WAITING:
                waiting.append(run)
            else:
                if run.status is RunStatus.RETRYING:
                    room[run.queue] -= 1
                act.append(item)
        await self._move(later)
        await self._act(act, now)
        released = await self._admission.release(waiting)
        await self._send(released.sent)
        await self._sender.send(bury, bury=True)
        return len(woken) - len(waiting) + released.dealt

    def _leases_trusted(self, now: datetime) -> bool:
        return self._trust_leases_at is not None and now >= self._trust_leases_at

    async def _move(self, later: Sequence[tuple[Run, datetime]]) -> None:
        if later:
            rows = [(run.id, run.version, wake_at) for run, wake_at in later]
            async with acquire(self._pool) as db:
                await db.execute(_MOVE, *zip(*rows, strict=True))

    async def _act(self, items: Sequence[DueRun], now: datetime) -> None:
        if not items:
            return
        patience = self._settings.lease
        work = [RunWork(item.run.id, WakeRun(now, random.random(), patience, item.job_deleted)) for item in items]
        decided = await handle_runs(self._pool, work, self._actor)
        for item, answer in zip(items, decided, strict=True):
            _count(item.run, answer)
        runs = [d.run for d in decided if d.run is not None and any(isinstance(e, RunRequeued) for e in d.events)]
        await self._send(runs)
        dead = [d.run for d in decided if d.run is not None and any(isinstance(e, RunDeadLettered) for e in d.events)]
        await self._sender.send(dead, bury=True)

    async def _send(self, runs: Sequence[Run]) -> None:
        self._window.use(runs)
        await self._sender.send(runs)


def _may_be_lost(item: DueRun, now: datetime) -> bool:
    """A queued run whose message was sent, and that nothing else ends: only evidence sends it again."""
    run = item.run
    queued = run.status is RunStatus.DISPATCHED and run.dispatch > 0 and not item.job_deleted
    return queued and not (run.attempt == 0 and run.start_by is not None and now > run.start_by)


def _patience(run: Run, now: datetime) -> timedelta:
    """Twice as long as it has been unheard already, so that a long queue costs ever less to watch."""
    unheard = now - run.dispatched_at if run.dispatched_at is not None else timedelta(seconds=1)
    patience = min(max(unheard, timedelta(seconds=1)), _LONGEST_PATIENCE)
    until_deadline = run.start_by - now if run.start_by is not None and run.attempt == 0 else patience
    return min(patience, until_deadline)


def _count(run: Run, answer: CommandResult) -> None:
    if answer.error is not None:
        log.error("run cannot be woken", run_id=str(run.id), job_id=str(run.job_id), error=repr(answer.error))
    for event in answer.events:
        if isinstance(event, AttemptLost):
            RUNS.labels(run.queue, "lost").inc()
            log.warning("attempt lost", run_id=str(run.id), job_id=str(run.job_id), attempt=event.attempt)
            if event.retry_at is not None:
                RETRIES.labels(run.queue).inc()
        elif isinstance(event, RunDeadLettered):
            DEAD_LETTERS.labels(run.queue).inc()
