"""Deliveries: what each message on `duebook.runs` is to its run, and how it is settled."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

import structlog

from duebook_common.broker.messages import RunMessage
from duebook_common.domain.run.commands import RedriveRun, StartAttempt
from duebook_common.domain.run.decide import DeliveryClass, judge_delivery
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.batching import Batcher
from duebook_common.runtime.telemetry import DELIVERIES
from duebook_common.store.database import UNAVAILABLE, Clock, Pool
from duebook_common.store.job_handling import Actor
from duebook_common.store.resilience import retry_while_unavailable
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_executor.acknowledgements import Settle
from duebook_executor.attempts import Attempt, Attempts
from duebook_executor.queries import Assignment, ExecutorQueries

log = structlog.stdlib.get_logger("deliveries")

# A message is kept no longer than a broker with its default of 30 minutes puts up with.
_LONGEST_HOLD = timedelta(minutes=10)
_RETRY_SECONDS = 0.2
_LONGEST_STOP = 2.0  # with PostgreSQL away nothing begins


class Stopping(Exception):
    """The executor takes nothing more: the delivery goes back to its queue with the connection."""


class _Delivery(NamedTuple):
    message: RunMessage
    from_dead_letters: bool


class _Begun(NamedTuple):
    """What a delivery is to its run, the run as it was read, and the attempt where one was started."""

    verdict: DeliveryClass
    run: Run | None
    attempt: Attempt | None


class Deliveries:
    """Decides for each delivery, by the books, what to do; the broker's own counts decide nothing."""

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        books: ExecutorQueries,
        attempts: Attempts,
        actor: Actor,
        concurrency: int,
        lease: timedelta,
    ) -> None:
        self._pool, self._clock, self._books, self._attempts = pool, clock, books, attempts
        self._actor, self._lease = actor, lease
        self._begin = Batcher(self._begin_batch)
        self._slots = asyncio.Semaphore(concurrency)
        self._stopping = False

    async def stop(self) -> None:
        """Begin nothing more, and let what is just beginning begin: it is known then, and can be handed back."""
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_STOP):
                await self._begin.wait_idle()

    async def receive(self, message: RunMessage, *, from_dead_letters: bool) -> Settle:
        """Carry out what the message asks for; returns once it may be settled, and how. Raises Stopping."""
        attempt = self._attempts.running.get(message.run_id)
        if attempt is not None and message.dispatch <= attempt.run.dispatch:
            DELIVERIES.labels("attached").inc()
            return await self._follow(attempt)
        if attempt is not None:
            await asyncio.wait([attempt.task])  # the books are done with it, this process in a moment
        await self._slots.acquire()
        if self._stopping:
            self._slots.release()
            raise Stopping
        begun = None
        try:
            begun = await self._begin.submit(_Delivery(message, from_dead_letters))
        finally:
            if begun is None or begun.attempt is None:
                self._slots.release()
        DELIVERIES.labels(begun.verdict).inc()
        if begun.attempt is not None:
            begun.attempt.task.add_done_callback(lambda _: self._slots.release())
            return await self._follow(begun.attempt)
        return await self._settle(begun)

    async def _settle(self, begun: _Begun) -> Settle:
        """What starts no attempt. Where one runs elsewhere, or a retry is ahead, `wake_at` covers the run."""
        match begun.verdict, begun.run:
            case DeliveryClass.EXPIRED, Run() as run:
                await self._expire(run)
            case DeliveryClass.BURY, Run() as run:
                return await self._bury(run)
            case DeliveryClass.REDRIVE, Run() as run:
                await self._redrive(run)
            case _:
                pass
        return Settle.ACK

    async def _begin_batch(self, deliveries: Sequence[_Delivery]) -> list[_Begun]:
        """Judge the deliveries by the books, and start what is to be started."""
        found = await self._assignments({delivery.message.run_id for delivery in deliveries})
        now, verdicts = self._clock.now(), list[DeliveryClass]()
        starting: dict[UUID, Assignment] = {}
        for message, from_dead_letters in deliveries:
            assignment = found.get(message.run_id)
            run = assignment.run if assignment else None
            verdicts.append(judge_delivery(run, message.dispatch, now, from_dead_letters=from_dead_letters))
            if verdicts[-1] is DeliveryClass.START and assignment:
                starting[message.run_id] = assignment
        attempts = await self._attempts.start(list(starting.values())) if starting else []
        started = dict(zip(starting, attempts, strict=True))
        return [
            _Begun(verdict, found[id_].run if id_ in found else None, started.pop(id_, None))
            for verdict, id_ in zip(verdicts, (delivery.message.run_id for delivery in deliveries), strict=True)
        ]

    async def _assignments(self, run_ids: set[UUID]) -> dict[UUID, Assignment]:
        """Read the runs. While PostgreSQL is unavailable the deliveries stay unacknowledged and no more are taken."""
        return await retry_while_unavailable(partial(self._books.assignments, run_ids), longest=_RETRY_SECONDS)

    async def _follow(self, attempt: Attempt) -> Settle:
        """Wait for the attempt, unless it may take longer than a message can be held."""
        if attempt.assignment.definition.timeout > _LONGEST_HOLD:
            return Settle.ACK  # from here on the lease covers it, and a dead letter gets a message of its own
        run = await asyncio.shield(attempt.task)
        if run is not None and run.status is RunStatus.DEAD_LETTERED:
            return await self._bury(run)
        return Settle.ACK

    async def _bury(self, run: Run) -> Settle:
        try:
            await self._books.buried(run.id, run.dispatch)
        except UNAVAILABLE:
            log.debug("burial not noted", run_id=str(run.id))  # then a second message may rest beside the first
        return Settle.REJECT

    async def _expire(self, run: Run) -> None:
        command = StartAttempt(run.dispatch, self._actor.name, self._lease, self._clock.now())
        await handle_runs(self._pool, [RunWork(run.id, command, run)], self._actor)

    async def _redrive(self, run: Run) -> None:
        """An operator moved the dead letter back in RabbitMQ: the same as a redrive by command."""
        command = RedriveRun("moved back to the work queue in RabbitMQ", run.max_attempts, self._clock.now())
        actor = Actor("an operator of RabbitMQ")
        await handle_runs(self._pool, [RunWork(run.id, command, run)], actor)
