"""Recording attempts: their starts and outcomes in PostgreSQL, each in batches, and their locks in Redis."""

from collections.abc import Callable, Container, Sequence
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

import structlog

from duebook_common.domain.errors import QueueIsPaused, RateExceeded
from duebook_common.domain.run.commands import RunCommand, StartAttempt
from duebook_common.domain.run.events import AttemptReleased
from duebook_common.domain.run.state import RunStatus
from duebook_common.runtime.redis_errors import REDIS_FAILED
from duebook_common.runtime.redis_locks import RunLocks
from duebook_common.runtime.telemetry import LOCKS
from duebook_common.store.actor import Actor
from duebook_common.store.database import UNAVAILABLE, Clock, Pool
from duebook_common.store.resilience import retry_while_unavailable
from duebook_common.store.run_handling import CommandResult, RunWork, handle_runs
from duebook_executor.attempt import Attempt
from duebook_executor.note_writer import NoteWriter
from duebook_executor.queries import Assignment, ExecutorQueries

log = structlog.stdlib.get_logger("recorder")

_RETRY_SECONDS = 0.2
_OVER = frozenset({RunStatus.SUCCEEDED, RunStatus.CANCELLED})


class EndedAttempt(NamedTuple):
    """An attempt whose work is over, and the command that records how it ended."""

    attempt: Attempt
    command: RunCommand


class AttemptRecorder:
    """Records starts and outcomes. While PostgreSQL is unavailable both wait, so that no outcome gets lost."""

    def __init__(  # noqa: PLR0913, PLR0917 - called once, in app.py
        self, pool: Pool, clock: Clock, locks: RunLocks, queries: ExecutorQueries, notes: NoteWriter, actor: Actor,
        lease: timedelta, wake_scheduler: Callable[[], None],
    ) -> None:  # fmt: skip
        self._pool, self._clock, self._locks, self._queries, self._notes = pool, clock, locks, queries, notes
        self._actor, self._lease, self._wake_scheduler = actor, lease, wake_scheduler

    async def start(
        self, assignments: Sequence[Assignment], unlocked: Container[UUID] = frozenset()
    ) -> list[CommandResult | None]:
        """Acquire the locks of these runs, and start an attempt of each in one commit; None without the lock.

        `unlocked`: these runs need no lock.
        """
        run_ids = [assignment.run.id for assignment in assignments]
        acquired = dict(zip(run_ids, await self._acquire_locks(run_ids), strict=True))
        now = self._clock.now()
        work = [
            RunWork(run.id, StartAttempt(run.dispatch, self._actor.name, self._lease, now), run)
            for run in (assignment.run for assignment in assignments)
            if acquired[run.id] or run.id in unlocked
        ]
        results = {item.run_id: result for item, result in zip(work, await self._handle(work), strict=True)}
        refusals = QueueIsPaused | RateExceeded  # another executor may start the run soon
        await self._release([run_id for run_id, result in results.items() if isinstance(result.error, refusals)])
        return [results.get(run_id) for run_id in run_ids]

    async def end(self, outcomes: Sequence[EndedAttempt]) -> list[CommandResult]:
        """Record the outcomes in one commit, after what the tasks have said: a retry must find the last checkpoint."""
        attempts = [outcome.attempt for outcome in outcomes]
        await self._notes.write(attempts)
        if any(attempt.notes.unsaved_checkpoint() for attempt in attempts):
            save = partial(self._notes.save_checkpoints, attempts)
            await retry_while_unavailable("saving checkpoints", save, longest=_RETRY_SECONDS)
        # Before the outcome: an executor that gets a quick retry needs the lock.
        await self._release([attempt.run.id for attempt in attempts])
        results = await self._handle([RunWork(a.run.id, command, a.run) for a, command in outcomes])
        await self._delete_leases(attempts)
        await self._notes.forget_checkpoints(
            [a for a, result in zip(attempts, results, strict=True) if _is_over(result)]
        )
        if any(map(_needs_scheduler, attempts, results)):
            self._wake_scheduler()
        return results

    async def _handle(self, work: Sequence[RunWork]) -> list[CommandResult]:
        if not work:
            return []
        handle = partial(handle_runs, self._pool, work, self._actor)
        return await retry_while_unavailable("recording attempts", handle, longest=_RETRY_SECONDS)

    async def _acquire_locks(self, run_ids: Sequence[UUID]) -> list[bool]:
        """The locks only save double work: without Redis the run's stream version decides alone."""
        try:
            acquired = await self._locks.acquire(run_ids)
        except REDIS_FAILED:
            LOCKS.labels("unavailable").inc(len(run_ids))
            return [True] * len(run_ids)
        LOCKS.labels("acquired").inc(sum(acquired))
        LOCKS.labels("refused").inc(len(acquired) - sum(acquired))
        return acquired

    async def _release(self, run_ids: Sequence[UUID]) -> None:
        if not run_ids:
            return
        try:
            await self._locks.release(run_ids)
        except REDIS_FAILED:
            LOCKS.labels("unavailable").inc(len(run_ids))

    async def _delete_leases(self, attempts: Sequence[Attempt]) -> None:
        leased = [attempt.run.id for attempt in attempts if attempt.has_lease]
        if leased:
            try:
                await self._queries.delete_leases(leased)
            except UNAVAILABLE:
                log.debug("leases not deleted; they expire", runs=len(leased))


def _is_over(result: CommandResult) -> bool:
    """Whether no further attempt of the run can follow."""
    return result.error is None and result.run is not None and result.run.status in _OVER


def _needs_scheduler(attempt: Attempt, result: CommandResult) -> bool:
    """Whether waiting runs can start now, or the run itself has to be sent again or buried."""
    status = None if result.run is None else result.run.status
    buried = attempt.acknowledged and status is RunStatus.DEAD_LETTERED
    return result.frees or buried or any(isinstance(event, AttemptReleased) for event in result.events)
