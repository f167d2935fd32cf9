"""The attempts of this process: each is started, worked and recorded, and known by its run's id meanwhile.

The asyncio task of an attempt belongs here and not to its delivery: a delivery ends with its connection, and the
redelivery attaches to the attempt that is still under way.
"""

import asyncio
import random
from collections.abc import Container, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID

import structlog

from duebook.context import Context
from duebook.execution import GivenUp
from duebook.outcomes import TaskFailure, TaskOutcome, TaskSuccess
from duebook.tasks import Registry
from duebook_common.domain.errors import QueueIsPaused, RateExceeded
from duebook_common.domain.run.ahead import KEPT_UNTIL
from duebook_common.domain.run.commands import ConfirmCancel, FailAttempt, ReleaseAttempt, RunCommand, Succeed
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.batching import Batcher
from duebook_common.store.codec import dumps
from duebook_common.store.database import Clock
from duebook_common.store.run_handling import CommandResult
from duebook_executor.attempt import Attempt, AttemptState
from duebook_executor.attempt_metrics import count_outcome, count_start
from duebook_executor.instant import Instants, seconds_until
from duebook_executor.notes import Notes
from duebook_executor.queries import Assignment
from duebook_executor.recorder import AttemptRecorder, EndedAttempt
from duebook_executor.run_task import execute
from duebook_executor.slots import NoSlot, Slots
from duebook_executor.task_loop import TaskLoop

log = structlog.stdlib.get_logger("attempts")

_RELEASE_SECONDS = 5.0
_GATHER_SECONDS = 0.01  # outcomes of a steady flow share a commit; one that comes alone is recorded at once


class Attempts:
    """Starts attempts and leads each through its work to its outcome. `running` has all that have not ended.

    An attempt that is started has a slot, which it releases when its work is over.
    """

    def __init__(
        self, recorder: AttemptRecorder, clock: Clock, registry: Registry, executor: str, max_timeout: timedelta,
        slots: Slots,
    ) -> None:  # fmt: skip
        self._max_timeout, self.slots = max_timeout, slots
        self._recorder, self._clock, self.executor = recorder, clock, executor
        self._tasks = registry.registered()
        # A quarter of the slots is enough: each outcome that waits keeps its delivery, and so another one away.
        self._outcomes = Batcher(self._record_ends, interval=_GATHER_SECONDS, enough=slots.concurrency // 4)
        self._instants = Instants(clock)
        self.task_loop = TaskLoop()
        self.running: dict[UUID, Attempt] = {}

    def has_task(self, name: str) -> bool:
        return name in self._tasks

    async def start(
        self, assignments: Sequence[Assignment], unlocked: Container[UUID] = frozenset()
    ) -> list[Attempt | QueueIsPaused | RateExceeded | None]:
        """Start an attempt of each run; None if another executor has the run, or it has changed since it was read.

        `unlocked`: these runs are started although another executor may have their locks.
        """
        results = await self._recorder.start(assignments, unlocked)
        return [
            None if result is None else self._begin(assignment, result)
            for assignment, result in zip(assignments, results, strict=True)
        ]

    async def drain(self, grace: timedelta) -> None:
        """Wait for attempts until the grace time is over, then release the rest: a retry that is no failure."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace.total_seconds()
        while self.running and (left := deadline - loop.time()) > 0:
            await asyncio.wait([attempt.work for attempt in self.running.values()], timeout=left)
        late = list(self.running.values())
        if late:
            for attempt in late:
                attempt.interrupt(AttemptState.RELEASING)
            log.info("attempts released", count=len(late))
            await asyncio.wait([attempt.work for attempt in late], timeout=_RELEASE_SECONDS)

    def _begin(self, assignment: Assignment, result: CommandResult) -> Attempt | QueueIsPaused | RateExceeded | None:
        run = result.run
        if isinstance(result.error, QueueIsPaused | RateExceeded):
            return result.error
        if result.error is not None or run is None:
            log.error("attempt cannot be started", error=result.error)
            return None
        if run.status is not RunStatus.RUNNING or run.executor != self.executor or run.id in self.running:
            return None
        notes = Notes(run, self._clock.now)
        ahead = seconds_until(run.started_at, self._clock.now())
        attempt = Attempt(run, assignment, asyncio.get_running_loop().time() + ahead, notes)
        # A released attempt has started, so its `start_within` would count no more: such a run keeps its slot.
        if ahead > 0 and run.start_by is None and self.slots.may_hold(run.task):
            attempt.held_bytes = len(dumps(assignment.payload))
            attempt.held = self.slots.hold(run.task, attempt.held_bytes)
        self.running[run.id] = attempt
        attempt.work = asyncio.create_task(self._run(attempt))
        return attempt

    async def _run(self, attempt: Attempt) -> Run | None:
        """Work, then record the outcome; returns the run after the outcome, None if it was refused."""
        run = attempt.run
        with structlog.contextvars.bound_contextvars(job_id=str(run.job_id), run_id=str(run.id), attempt=run.attempt):
            try:
                try:
                    command = await self._work(attempt)
                finally:
                    self._leave_slot(attempt)
                attempt.end()
                result = await self._outcomes.submit(EndedAttempt(attempt, command))
                count_outcome(attempt, result)
                return result.run if result.error is None else None
            finally:
                self.running.pop(run.id, None)

    async def _record_ends(self, ended: Sequence[EndedAttempt]) -> list[CommandResult]:
        await self.slots.let_crowd_begin()
        return await self._recorder.end(ended)

    def _leave_slot(self, attempt: Attempt) -> None:
        if attempt.held:
            self.slots.stop_holding(attempt.held_bytes)
        else:
            self.slots.release()

    async def _work(self, attempt: Attempt) -> RunCommand:
        """Execute the task; returns the command that records how the attempt ended."""
        try:
            await self._begin_on_time(attempt)
            count_start(attempt.run, self._clock.now())
            outcome = await self._execute(attempt)
        except NoSlot:
            log.info("attempt released: no slot is free for it")
            return ReleaseAttempt(attempt.run.attempt, self._clock.now())
        except asyncio.CancelledError as interruption:
            command = self._interrupted(attempt, given_up=isinstance(interruption, GivenUp))
            if command is None:
                raise
            attempt.work.uncancel()
            return command
        number, now = attempt.run.attempt, self._clock.now()
        if isinstance(outcome, TaskSuccess):
            return Succeed(number, outcome.result, now)
        attempt.failure = outcome.kind
        return FailAttempt(
            number, outcome.error, now, random.random(), outcome.retry, outcome.delay, acknowledged=attempt.acknowledged
        )

    async def _begin_on_time(self, attempt: Attempt) -> None:
        """Return at the attempt's instant, and with a slot. Raises NoSlot."""
        if self._keeps_slot_from_others(attempt):
            raise NoSlot
        await self._instants.wait(attempt.run.started_at)
        if attempt.held:
            await self.slots.acquire_again()
            self.slots.stop_holding(attempt.held_bytes)
            attempt.held = False

    def _keeps_slot_from_others(self, attempt: Attempt) -> bool:
        """Whether a scheduler sent the run as one that this executor holds, and it is one too many.

        A run that was sent again is not: it would come back until its instant where the scheduler's clock is ahead.
        """
        run = attempt.run
        if attempt.held or run.dispatch > 1 or run.start_by is not None or not self.slots.is_short(run.task):
            return False
        return seconds_until(run.started_at, self._clock.now()) > KEPT_UNTIL.total_seconds()

    async def _execute(self, attempt: Attempt) -> TaskOutcome:
        name, assignment = attempt.run.task, attempt.assignment
        task = self._tasks.get(name)
        if task is None:
            return TaskFailure(f"this executor has no task {name!r}")  # `Deliveries` defers such a run
        timeout = min(assignment.definition.timeout, self._max_timeout)
        context = self._context(attempt, self._clock.now() + timeout)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await execute(task, assignment.payload, context, timeout, self.task_loop)
        finally:
            self.slots.note_duration(name, loop.time() - began)

    def _interrupted(self, attempt: Attempt, *, given_up: bool) -> RunCommand | None:
        """The command of an interrupted attempt; None if the cancellation was not ours."""
        match attempt.state:
            case AttemptState.RELEASING:
                return ReleaseAttempt(attempt.run.attempt, self._clock.now())
            case AttemptState.CANCELLING | AttemptState.LOST:  # of a lost attempt it is refused, and counted as stale
                return ConfirmCancel(attempt.run.attempt, self._clock.now(), given_up)
            case _:
                return None

    def _context(self, attempt: Attempt, deadline: datetime) -> Context:
        run, trace = attempt.run, attempt.assignment.traceparent or _new_trace(attempt.run)
        return Context(
            run_id=run.id,
            job_id=run.job_id,
            attempt=run.attempt,
            nominal_at=run.nominal_at,
            idempotency_key=f"{run.id}.{run.edits}" if run.edits else str(run.id),
            headers={"traceparent": trace},
            deadline=deadline,
            last_checkpoint=attempt.assignment.last_checkpoint,
            sink=attempt.notes,
        )


def _new_trace(run: Run) -> str:
    """A trace of the run's own, with a span for each attempt, for a job that was created without one."""
    span = sha256(f"{run.id}.{run.attempt}".encode()).hexdigest()[:16]
    return f"00-{run.id.hex}-{span}-01"
