"""The heartbeat of attempts under way: it extends leases and locks, and notices cancel requests and lost attempts."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import structlog

from duebook_common.runtime.redis_errors import REDIS_FAILED
from duebook_common.runtime.redis_locks import RunLocks
from duebook_common.runtime.telemetry import LOCKS
from duebook_executor.attempt import Attempt, AttemptState
from duebook_executor.attempts import Attempts
from duebook_executor.note_writer import NoteWriter
from duebook_executor.queries import ExecutorQueries, RecordedState

log = structlog.stdlib.get_logger("heartbeat")

_MIN_AGE_SECONDS = 0.5


class Heartbeat:
    """One step looks at every attempt older than half a second, and at those that wait for their instant.

    Only the former need rows in `leases`: the first lease is the run's `wake_at`.
    """

    def __init__(
        self, attempts: Attempts, queries: ExecutorQueries, notes: NoteWriter, locks: RunLocks, lease: timedelta
    ) -> None:
        self._attempts, self._queries, self._notes = attempts, queries, notes
        self._locks, self._lease = locks, lease
        self._extend_at = 0.0

    async def step(self) -> int:
        """Check and extend; always returns 0, because no work is left for a next step at once."""
        self._attempts.task_loop.replace_if_blocked()
        now = asyncio.get_running_loop().time()
        attempts = [a for a in self._attempts.running.values() if needs_look(a, now)]
        if not attempts:
            return 0
        states = await self._queries.recorded_states(attempt.run.id for attempt in attempts)
        owned = interrupt_by_state([attempt for attempt in attempts if _is_working(attempt)], states)
        owned = [attempt for attempt in owned if _is_old(attempt, now)]
        await self._notes.write(owned)
        if owned and now >= self._extend_at:
            self._extend_at = now + self._lease.total_seconds() / 3
            await self._extend(owned)
        return 0

    async def _extend(self, attempts: Sequence[Attempt]) -> None:
        await self._queries.extend_leases([(attempt.run.id, attempt.run.attempt) for attempt in attempts], self._lease)
        for attempt in attempts:
            attempt.has_lease = True
        try:
            renewed = await self._locks.renew([attempt.run.id for attempt in attempts])
        except REDIS_FAILED:
            LOCKS.labels("unavailable").inc(len(attempts))
        else:
            LOCKS.labels("lost").inc(len(renewed) - sum(renewed))


def interrupt_by_state(attempts: Sequence[Attempt], states: Mapping[UUID, RecordedState]) -> list[Attempt]:
    """Interrupt attempts that no longer own their run, and those whose cancellation is requested.

    Returns the attempts that still own their run, the cancelled ones included: they own it until they have stopped.
    """
    owned = []
    for attempt in attempts:
        state = states.get(attempt.run.id)
        if state is None or state.attempt != attempt.run.attempt or state.status != "running":
            if attempt.interrupt(AttemptState.LOST):
                log.warning("attempt lost its run", run_id=str(attempt.run.id), attempt=attempt.run.attempt)
            continue
        if state.cancel_requested:
            attempt.interrupt(AttemptState.CANCELLING)
        owned.append(attempt)
    return owned


def needs_look(attempt: Attempt, now: float) -> bool:
    """Whether the attempt may have lost its run, or been cancelled. `now`: seconds of the event loop's clock."""
    waits = attempt.started_at > now
    return _is_working(attempt) and (waits or _is_old(attempt, now))


def _is_old(attempt: Attempt, now: float) -> bool:
    return now - attempt.started_at > _MIN_AGE_SECONDS


def _is_working(attempt: Attempt) -> bool:
    return attempt.state is not AttemptState.ENDING
