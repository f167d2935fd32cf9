"""Sending runs: right after the commit, with publisher confirms, and again if RabbitMQ does not confirm.

A queue is ready once it has been declared and has confirmed all its messages. Messages of other queues are held back,
for each queue by itself, so that a queue that is new, slow or broken concerns its own messages only. They are held in
memory: a run whose message was lost in a crash is sent again by its `wake_at`.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import count

import structlog

from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.messages import RunMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import RUNS
from duebook_common.domain.run.state import Run
from duebook_common.runtime.loops import detect_lost_connection
from duebook_scheduler.work_queues import NotConfirmed, WorkQueues

log = structlog.stdlib.get_logger("run_sender")

_MOST_HELD, _MOST_HELD_OF_QUEUE = 20_000, 5_000  # messages; a run beyond them is sent again by its `wake_at`
_MOST_IN_FLIGHT, _IN_FLIGHT_SECONDS = 4, 1.0  # batches
_AT_ONCE = 4  # queues
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0  # seconds
_TRIES_BEFORE_RENEWAL = 5


class RunSender:
    """Publishes the messages of runs to their work queues. `on_ready` is called whenever a queue becomes ready."""

    def __init__(self, publisher: Publisher, queues: WorkQueues, on_ready: Callable[[], None] = lambda: None) -> None:
        self._publisher, self._queues, self._on_ready = publisher, queues, on_ready
        self._ready: set[str] = set()
        self._held: dict[str, list[OutgoingMessage]] = {}
        self._in_flight: set[asyncio.Task[None]] = set()
        self._retries: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @property
    def connected(self) -> bool:
        """Whether the connection is open, as far as this side knows."""
        return self._publisher.connected

    @property
    def held_queues(self) -> frozenset[str]:
        """The queues whose messages are held back: the runs that are due for them had better stay in the database."""
        return frozenset(self._held)

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        """Publish a message for each run. `bury` marks messages to be rejected by their receiver.

        Returns before the confirms arrive, so that the next due jobs do not wait for the broker's disk. Waits only
        while several batches are in flight already, at most a second: one of their queues may have become silent.
        """
        messages = [_message(run, bury) for run in runs]
        sendable = [message for message in messages if message.routing_key in self._ready]
        self._hold(message for message in messages if message.routing_key not in self._ready)
        if not sendable:
            return
        batch = asyncio.create_task(self._publish(sendable))
        self._in_flight.add(batch)
        batch.add_done_callback(self._done)
        if len(self._in_flight) >= _MOST_IN_FLIGHT:
            await asyncio.wait(self._in_flight, timeout=_IN_FLIGHT_SECONDS, return_when=asyncio.FIRST_COMPLETED)

    def _done(self, batch: "asyncio.Task[None]") -> None:
        self._in_flight.discard(batch)
        if not batch.cancelled() and (error := batch.exception()):
            log.error("messages not sent; their runs will wake again", error=error, exc_info=error)

    async def drain(self) -> None:
        """Wait for the batches in flight; each ends at the publisher's timeout at the latest."""
        for retry in self._retries.values():
            retry.cancel()
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _publish(self, messages: Sequence[OutgoingMessage]) -> None:
        errors = await self._publisher.publish(messages)
        failed = [message for message, error in zip(messages, errors, strict=True) if error is not None]
        self._ready -= {message.routing_key for message in failed}
        self._hold(failed)

    def _hold(self, messages: Iterable[OutgoingMessage]) -> None:
        """Keep messages until their queue is ready, and work on that."""
        held = sum(map(len, self._held.values()))
        for message in messages:
            queue = message.routing_key
            of_queue = self._held.setdefault(queue, [])
            if held < _MOST_HELD and len(of_queue) < _MOST_HELD_OF_QUEUE:
                of_queue.append(message)
                held += 1
            if queue not in self._retries:
                self._retries[queue] = asyncio.create_task(self._make_ready(queue))

    async def _make_ready(self, queue: str) -> None:
        """Try until the queue is ready, with pauses that double. A silent queue is renewed after some tries."""
        silent, last = 0, Exception()
        for failures in count():
            try:
                async with self._slots:
                    if silent >= _TRIES_BEFORE_RENEWAL:
                        await detect_lost_connection(
                            self._queues.renew(queue, unconfirmed=isinstance(last, NotConfirmed))
                        )
                    await detect_lost_connection(self._send_held(queue))
                del self._retries[queue]
                return
            except Exception as error:
                log.warning("work queue is not ready", queue=queue, error=error, failures=failures + 1)
                # A queue without leader does not even answer that it exists.
                is_silent, last = isinstance(error, NotConfirmed | TimeoutError), error
                silent = silent % _TRIES_BEFORE_RENEWAL + 1 if is_silent else 0
            pause = _FIRST_PAUSE * 2 ** min(failures, 6) if self._queues.connected else _FIRST_PAUSE
            await asyncio.sleep(min(pause, _LONGEST_PAUSE))

    async def _send_held(self, queue: str) -> None:
        """Declare the queue and publish what is held for it: then it is ready. Raises what the broker raises.

        The first message goes alone: once 400 wait for a silent queue, RabbitMQ reads nothing more on the connection,
        and the queue cannot be renewed over it.
        """
        await self._queues.declare(queue)
        most: int | None = 1
        while messages := self._held[queue][:most]:
            errors = await self._queues.publish(messages)
            failed = [message for message, error in zip(messages, errors, strict=True) if error is not None]
            self._held[queue] = failed + self._held[queue][len(messages) :]
            if failed:
                raise await self._queues.cause(queue, next(error for error in errors if error is not None))
            most = None
        del self._held[queue]
        self._ready.add(queue)
        self._on_ready()


def _message(run: Run, bury: bool) -> OutgoingMessage:
    body = RunMessage(run.id, run.dispatch, bury).encode()
    return OutgoingMessage(RUNS, run.queue, body, message_id=f"{run.id}.{run.dispatch}")
