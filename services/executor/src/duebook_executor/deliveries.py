"""Deliveries: what the executor does with a message, by the recorded state of its run, and how it settles it."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import NamedTuple, assert_never
from uuid import UUID

import structlog

from duebook_common.broker.messages import RunMessage
from duebook_common.domain.errors import QueueIsPaused, RateExceeded
from duebook_common.domain.run.commands import DeferRun, RedriveRun, StartAttempt
from duebook_common.domain.run.deliveries import DeliveryClass, classify_delivery
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.batching import Batcher
from duebook_common.runtime.telemetry import DELIVERIES
from duebook_common.store.actor import Actor
from duebook_common.store.database import UNAVAILABLE, Clock, Pool
from duebook_common.store.resilience import retry_while_unavailable
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_executor.acknowledgements import Settlement
from duebook_executor.attempt import Attempt
from duebook_executor.attempts import Attempts
from duebook_executor.queries import Assignment, ExecutorQueries

log = structlog.stdlib.get_logger("deliveries")

# By default RabbitMQ closes the channel of a delivery that is not acknowledged within 30 minutes.
_LONGEST_HOLD = timedelta(minutes=10)
_RETRY_SECONDS = 0.2
_SHORT_WAIT = timedelta(milliseconds=500)  # for a rate: it costs less than to send the run again
_SHORT_WAITS = 5
_LOCK_SECONDS = 1.0  # an executor that takes a lock records the start sooner, or has ended in between
_STOP_SECONDS = 2.0  # how long a stopping executor waits for deliveries that are being classified


class ExecutorStopping(Exception):
    """The executor accepts no more deliveries: this one returns to its queue when the connection closes."""


class _Delivery(NamedTuple):
    message: RunMessage
    from_dead_letters: bool
    unlocked: bool = False
    """The run is started although another executor may have its lock."""


class _ClassifiedDelivery(NamedTuple):
    """A delivery's class, its run as it was read, and the attempt if one was started.

    `wait` is how long the run's rate allows no further start, if that is why none was started.
    """

    delivery_class: DeliveryClass
    run: Run | None
    attempt: Attempt | None
    wait: timedelta | None = None


def _with_attempt(
    class_: DeliveryClass, run: Run | None, started: Attempt | QueueIsPaused | RateExceeded | None
) -> _ClassifiedDelivery:
    """The delivery with its attempt. Of several deliveries of one run the first has it, the others are acknowledged."""
    if isinstance(started, QueueIsPaused):
        return _ClassifiedDelivery(DeliveryClass.QUEUE_PAUSED, run, None)
    if isinstance(started, RateExceeded):
        return _ClassifiedDelivery(DeliveryClass.RATE_EXCEEDED, run, None, started.wait)
    return _ClassifiedDelivery(class_, run, started)


class Deliveries:
    """Handles deliveries by the run's recorded state alone; the broker's redelivery counts decide nothing."""

    def __init__(
        self, pool: Pool, clock: Clock, queries: ExecutorQueries, attempts: Attempts, actor: Actor, lease: timedelta
    ) -> None:
        self._pool, self._clock, self._queries, self._attempts = pool, clock, queries, attempts
        self._actor, self._lease = actor, lease
        self._classifier = Batcher(self._classify)
        self._stopping = False

    async def stop(self) -> None:
        """Accept no more deliveries. Those being classified may still start attempts, which a drain then releases."""
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._classifier.wait_idle()

    async def receive(self, message: RunMessage, *, from_dead_letters: bool) -> Settlement:
        """Do what the message requires; returns how to settle it, once it may be. Raises ExecutorStopping.

        `from_dead_letters`: the message was in a dead-letter queue before.
        """
        attempt = self._attempts.running.get(message.run_id)
        if attempt is not None and message.dispatch <= attempt.run.dispatch:
            DELIVERIES.labels("attached").inc()
            return await self._follow(attempt)
        if attempt is not None:  # a newer dispatch: the outcome is recorded, and the attempt ends in a moment
            await asyncio.wait([attempt.work])
        delivery = _Delivery(message, from_dead_letters)
        classified = await self._classify_in_slot(delivery)
        if classified.delivery_class is DeliveryClass.START and classified.attempt is None:
            await asyncio.sleep(_LOCK_SECONDS)
            delivery = delivery._replace(unlocked=True)  # the version of the run's stream decides alone
            classified = await self._classify_in_slot(delivery)
        for _ in range(_SHORT_WAITS):  # the scheduler sends a run a bit before its rate allows the start
            if classified.wait is None or classified.wait > _SHORT_WAIT:
                break
            await asyncio.sleep(classified.wait.total_seconds())
            classified = await self._classify_in_slot(delivery)
        DELIVERIES.labels(classified.delivery_class).inc()
        return await self._handle(classified)

    async def _handle(self, classified: _ClassifiedDelivery) -> Settlement:
        """The decision table. Where the message is only acknowledged, the run's `wake_at` brings it back if need be."""
        delivery_class, run, attempt, wait = classified
        if run is None:
            return Settlement.ACK
        match delivery_class:
            case DeliveryClass.START:
                return Settlement.ACK if attempt is None else await self._follow(attempt)
            case DeliveryClass.QUEUE_PAUSED | DeliveryClass.RATE_EXCEEDED:
                return await self._wait(run, wait)
            case DeliveryClass.STALE | DeliveryClass.RUNNING:
                return Settlement.ACK
            case DeliveryClass.UNKNOWN_TASK:
                return await self._defer(run)
            case DeliveryClass.EXPIRED:
                return await self._skip_expired(run)
            case DeliveryClass.REDRIVE:
                return await self._redrive(run)
            case DeliveryClass.BURY:
                return await self._bury(run)
            case _:
                assert_never(delivery_class)

    async def _classify_in_slot(self, delivery: _Delivery) -> _ClassifiedDelivery:
        """Classify the delivery while it has one of the executor's slots, which passes to its attempt."""
        await self._attempts.slots.acquire()
        attempt = None
        try:
            if self._stopping:
                raise ExecutorStopping
            classified = await self._classifier.submit(delivery)
            attempt = classified.attempt
        finally:
            if attempt is None:
                self._attempts.slots.release()
        return classified

    async def _classify(self, deliveries: Sequence[_Delivery]) -> list[_ClassifiedDelivery]:
        """Classify the deliveries by the recorded state of their runs, and start an attempt of each run that is due."""
        run_ids = [delivery.message.run_id for delivery in deliveries]
        assignments = await self._read_assignments(set(run_ids))
        runs = {run_id: assignment.run for run_id, assignment in assignments.items()}
        now = self._clock.now()
        paused = {run_id for run_id, assignment in assignments.items() if assignment.queue_paused}
        classes = [
            classify_delivery(
                runs.get(message.run_id),
                message.dispatch,
                now,
                self._attempts.has_task,
                from_dead_letters=moved_back,
                queue_paused=message.run_id in paused,
            )
            for message, moved_back, _ in deliveries
        ]
        due = {
            id_: assignments[id_] for id_, class_ in zip(run_ids, classes, strict=True) if class_ is DeliveryClass.START
        }
        unlocked = {delivery.message.run_id for delivery in deliveries if delivery.unlocked}
        attempts = await self._attempts.start(list(due.values()), unlocked) if due else []
        started = dict(zip(due, attempts, strict=True))
        return [
            _with_attempt(class_, runs.get(id_), started.pop(id_, None) if class_ is DeliveryClass.START else None)
            for id_, class_ in zip(run_ids, classes, strict=True)
        ]

    async def _read_assignments(self, run_ids: set[UUID]) -> dict[UUID, Assignment]:
        """Read the runs. While PostgreSQL is unavailable the deliveries stay unacknowledged and no more are taken."""
        read = partial(self._queries.assignments, run_ids)
        return await retry_while_unavailable("reading runs", read, longest=_RETRY_SECONDS)

    async def _follow(self, attempt: Attempt) -> Settlement:
        """Keep the delivery until the attempt has ended, unless that may take longer than a delivery may be kept.

        The broker sends no more than it is acknowledged, so an attempt that waits for its instant without a slot must
        not keep its delivery either.
        """
        if attempt.held or attempt.assignment.definition.timeout > _LONGEST_HOLD:
            attempt.acknowledged = True
            return Settlement.ACK  # from here on the lease covers the attempt; a dead letter gets its own message
        run = await asyncio.shield(attempt.work)
        if run is not None and run.status is RunStatus.DEAD_LETTERED:
            return await self._bury(run)
        return Settlement.ACK

    async def _bury(self, run: Run) -> Settlement:
        """Reject the message, so that RabbitMQ moves it to the dead-letter queue."""
        try:
            await self._queries.mark_buried(run.id, run.dispatch)
        except UNAVAILABLE:  # the scheduler sends a second message then, which is buried as well
            log.debug("burial not recorded", run_id=str(run.id))
        return Settlement.REJECT

    async def _defer(self, run: Run) -> Settlement:
        """Another executor of the queue may have the task: the run waits, and the scheduler sends it again."""
        command = DeferRun(run.dispatch, self._actor.name, self._clock.now(), random.random())
        [result] = await handle_runs(self._pool, [RunWork(run.id, command, run)], self._actor)
        if result.events:
            log.info("run deferred: this executor does not have its task", run_id=str(run.id), task=run.task)
        return Settlement.ACK

    async def _wait(self, run: Run, rate_wait: timedelta | None) -> Settlement:
        """The run's queue is paused, or its rate exceeded: it waits uncharged, and the scheduler sends it again."""
        now, paused = self._clock.now(), rate_wait is None
        command = DeferRun(run.dispatch, self._actor.name, now, 0, queue_paused=paused, rate_wait=rate_wait)
        await handle_runs(self._pool, [RunWork(run.id, command, run)], self._actor)
        return Settlement.ACK

    async def _skip_expired(self, run: Run) -> Settlement:
        """`start_within` has passed: the run's own decision on StartAttempt skips it."""
        command = StartAttempt(run.dispatch, self._actor.name, self._lease, self._clock.now())
        await handle_runs(self._pool, [RunWork(run.id, command, run)], self._actor)
        return Settlement.ACK

    async def _redrive(self, run: Run) -> Settlement:
        """An operator moved the dead letter back to the work queue in RabbitMQ: a redrive like one by command."""
        command = RedriveRun("moved back to the work queue in RabbitMQ", run.max_attempts, self._clock.now())
        await handle_runs(self._pool, [RunWork(run.id, command, run)], Actor("an operator of RabbitMQ"))
        return Settlement.ACK
