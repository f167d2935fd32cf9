"""Attempts of one process: started in batches, watched, ended in batches, and known by run id.

The asyncio task of an attempt belongs here and not to the delivery: a delivery ends with its connection, and the
redelivery attaches to the attempt that is still under way.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from uuid import UUID

import redis
import structlog

from duebook.tasks import Context, Registry
from duebook_common.domain.errors import StaleAttempt
from duebook_common.domain.run.commands import (
    ConfirmCancel,
    FailAttempt,
    ReleaseAttempt,
    RunCommand,
    StartAttempt,
    Succeed,
)
from duebook_common.domain.run.events import AttemptFailed, RunDeadLettered
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.batching import Batcher
from duebook_common.runtime.redis_locks import RunLocks
from duebook_common.runtime.telemetry import (
    DEAD_LETTERS,
    LOCKS,
    RETRIES,
    RUN_DURATION,
    RUNS,
    STALE_OUTCOMES,
    START_DELAY,
)
from duebook_common.store.database import UNAVAILABLE, Clock, Pool
from duebook_common.store.job_handling import Actor
from duebook_common.store.resilience import retry_while_unavailable
from duebook_common.store.run_handling import CommandResult, RunWork, handle_runs
from duebook_executor.queries import Assignment, ExecutorQueries, LogLine
from duebook_executor.run_task import Done, Failed, carry_out
from duebook_executor.task_loop import TaskLoop

log = structlog.stdlib.get_logger("attempts")

_RETRY_SECONDS = 0.2
_MOST_LINES, _LONGEST_LINE = 1000, 8192


@dataclass(slots=True)
class Attempt:
    """One attempt under way in this process."""

    run: Run
    assignment: Assignment
    started: float  # by the loop's monotonic clock, in seconds
    task: "asyncio.Task[Run | None]" = field(init=False)
    lines: list[LogLine] = field(default_factory=list)
    beaten: bool = False
    cancelled: bool = False  # an operator asked for it
    released: bool = False  # the executor stops
    lost: bool = False  # another attempt owns the run now
    ending: bool = False  # its work is over, its outcome on the way

    def stop(self) -> None:
        """Interrupt the work; what becomes of the attempt then is in its flags."""
        if not self.ending:
            self.task.cancel()


@dataclass(frozen=True, slots=True)
class _Outcome:
    attempt: Attempt
    work: RunWork


class Attempts:
    """The registry of this process's attempts, and the pipeline that each goes through."""

    def __init__(
        self, pool: Pool, clock: Clock, locks: RunLocks, books: ExecutorQueries, registry: Registry, actor: Actor,
        lease: timedelta, wake: Callable[[], None],
    ) -> None:  # fmt: skip
        self._pool, self._clock, self._locks, self._books = pool, clock, locks, books
        self._tasks, self._actor, self._lease, self._wake = registry.registered(), actor, lease, wake
        self.loop = TaskLoop()
        self.running: dict[UUID, Attempt] = {}
        self._end = Batcher(self._end_batch)

    async def start(self, assignments: Sequence[Assignment]) -> list[Attempt | None]:
        """Lock the runs and start an attempt of each, in one commit; None where another has it, or it moved on."""
        locked = await self._lock([item.run.id for item in assignments])
        now = self._clock.now()
        wanted = [item for item, got in zip(assignments, locked, strict=True) if got]
        work = [
            RunWork(item.run.id, StartAttempt(item.run.dispatch, self._actor.name, self._lease, now), item.run)
            for item in wanted
        ]
        decided = await self._persist(work)
        begun = {item.run.id: self._begin(item, answer) for item, answer in zip(wanted, decided, strict=True)}
        return [begun.get(item.run.id) if got else None for item, got in zip(assignments, locked, strict=True)]

    def _begin(self, assignment: Assignment, decided: CommandResult) -> Attempt | None:
        run = decided.run
        if decided.error is not None or run is None:
            log.error("attempt cannot be started", error=repr(decided.error))
            return None
        if run.status is not RunStatus.RUNNING or run.executor != self._actor.name or run.id in self.running:
            return None
        if run.attempt == 1:
            START_DELAY.labels(run.queue).observe(max(0.0, (self._clock.now() - run.due_at).total_seconds()))
        attempt = Attempt(run, assignment, asyncio.get_running_loop().time())
        self.running[run.id] = attempt
        attempt.task = asyncio.create_task(self._carry(attempt))
        return attempt

    async def _lock(self, run_ids: Sequence[UUID]) -> list[bool]:
        """Redis only saves double work: where it is away, the version judges alone."""
        try:
            got = await self._locks.acquire(run_ids)
        except redis.RedisError:
            LOCKS.labels("unavailable").inc(len(run_ids))
            return [True] * len(run_ids)
        LOCKS.labels("acquired").inc(sum(got))
        LOCKS.labels("refused").inc(len(got) - sum(got))
        return got

    async def _carry(self, attempt: Attempt) -> Run | None:
        """Work, then the outcome; returns the run as the outcome left it, None where it was refused."""
        run = attempt.run
        with structlog.contextvars.bound_contextvars(job_id=str(run.job_id), run_id=str(run.id), attempt=run.attempt):
            try:
                command = await self._work(attempt)
                attempt.ending = True
                decided = await self._end.submit(_Outcome(attempt, RunWork(run.id, command, run)))
                return self._settled(attempt, decided)
            finally:
                self.running.pop(run.id, None)

    async def _work(self, attempt: Attempt) -> RunCommand:
        run, assignment = attempt.run, attempt.assignment
        task = self._tasks.get(run.task)
        try:
            if task is None:
                known = ", ".join(sorted(self._tasks))
                answer: Done | Failed = Failed(f"no task named {run.task!r} here; this executor has {known}")
            else:
                definition, context = assignment.definition, self._context(attempt)
                answer = await carry_out(task, assignment.payload, context, definition.timeout, self.loop)
        except asyncio.CancelledError:
            attempt.task.uncancel()
            if attempt.released:
                return ReleaseAttempt(run.attempt, self._clock.now())
            if attempt.cancelled or attempt.lost:
                return ConfirmCancel(run.attempt, self._clock.now())
            raise
        if isinstance(answer, Done):
            return Succeed(run.attempt, answer.result, self._clock.now())
        chance = random.random()
        return FailAttempt(run.attempt, answer.error, self._clock.now(), chance, answer.retry, answer.delay)

    def _context(self, attempt: Attempt) -> Context:
        run, trace = attempt.run, attempt.assignment.traceparent

        def write(message: str) -> None:
            if len(attempt.lines) < _MOST_LINES:
                text = str(message).replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST_LINE]
                attempt.lines.append(LogLine(run.job_id, run.id, run.attempt, text, self._clock.now()))

        return Context(
            run_id=run.id,
            job_id=run.job_id,
            attempt=run.attempt,
            nominal_at=run.nominal_at,
            idempotency_key=f"{run.id}.{run.edits}" if run.edits else str(run.id),
            headers={"traceparent": trace} if trace else {},
            log=write,
        )

    async def _end_batch(self, outcomes: Sequence[_Outcome]) -> list[CommandResult]:
        attempts = [outcome.attempt for outcome in outcomes]
        await self.write_lines(attempts)
        await self._unlock(attempts)  # before the outcome: whoever gets a quick retry must find the lock free
        decided = await self._persist([outcome.work for outcome in outcomes])
        await self._forget_leases(attempts)
        if any(answer.frees for answer in decided):
            self._wake()
        return decided

    async def write_lines(self, attempts: Sequence[Attempt]) -> None:
        """Write what tasks have logged; it is there before the outcome is."""
        taken = [(attempt, len(attempt.lines)) for attempt in attempts if attempt.lines]
        lines = [line for attempt, count in taken for line in attempt.lines[:count]]
        if not lines:
            return
        try:
            await self._books.write_lines(lines)
        except UNAVAILABLE as error:
            log.warning("log lines not written", lines=len(lines), error=repr(error))
            return
        except Exception:  # no line is worth an outcome or a heartbeat
            log.exception("log lines dropped", lines=len(lines))
        for attempt, count in taken:
            del attempt.lines[:count]

    async def _unlock(self, attempts: Sequence[Attempt]) -> None:
        try:
            await self._locks.release([attempt.run.id for attempt in attempts])
        except redis.RedisError:
            LOCKS.labels("unavailable").inc(len(attempts))

    async def _forget_leases(self, attempts: Sequence[Attempt]) -> None:
        beaten = [attempt.run.id for attempt in attempts if attempt.beaten]
        if beaten:
            try:
                await self._books.forget_leases(beaten)
            except UNAVAILABLE:
                log.debug("leases not forgotten", runs=len(beaten))  # they expire

    async def _persist(self, work: Sequence[RunWork]) -> list[CommandResult]:
        """Record the commands, however long PostgreSQL is unavailable: an outcome must not get lost."""
        if not work:
            return []
        handle = partial(handle_runs, self._pool, work, self._actor)
        return await retry_while_unavailable(handle, longest=_RETRY_SECONDS)

    def _settled(self, attempt: Attempt, decided: CommandResult) -> Run | None:
        run = attempt.run
        if isinstance(decided.error, StaleAttempt):
            STALE_OUTCOMES.inc()
            log.warning("outcome refused", error=str(decided.error))
            return None
        if decided.error is not None:
            log.error("outcome cannot be recorded", error=repr(decided.error))
            return None
        RUN_DURATION.labels(run.queue).observe(asyncio.get_running_loop().time() - attempt.started)
        for event in decided.events:
            _count(run, event)
        return decided.run


_OUTCOMES = {
    "AttemptSucceeded": "succeeded",
    "AttemptFailed": "failed",
    "AttemptReleased": "released",
    "RunCancelled": "cancelled",
    "RunDeadLettered": "dead_lettered",
}


def _count(run: Run, event: object) -> None:
    RUNS.labels(run.queue, _OUTCOMES[type(event).__name__]).inc()
    if isinstance(event, AttemptFailed):
        log.info("attempt failed", error=event.error, failures=event.failures, retry_at=str(event.retry_at))
        if event.retry_at is not None:
            RETRIES.labels(run.queue).inc()
    elif isinstance(event, RunDeadLettered):
        DEAD_LETTERS.labels(run.queue).inc()
        log.warning("run dead-lettered", error=event.error, failures=event.failures)
