"""Sending runs: right after the commit, with publisher confirms, and again if RabbitMQ does not confirm.

Unsent messages are kept in memory only: a run whose message was lost in a crash is sent again by its `wake_at`.
"""

import asyncio
from collections.abc import Sequence

import structlog

from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.messages import RunMessage
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import RUNS
from duebook_common.domain.run.state import Run

log = structlog.stdlib.get_logger("run_sender")

_MOST_UNSENT, _MOST_IN_FLIGHT = 20_000, 4  # messages, batches


class RunSender:
    """Publishes the messages of runs to their work queues."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self._unsent: list[tuple[Run, bool]] = []
        self._in_flight: set[asyncio.Task[None]] = set()

    async def flush(self) -> bool:
        """Publish unsent messages again; False while RabbitMQ is unavailable or does not confirm them."""
        if not self.publisher.connected:
            return False
        if self._unsent:
            unsent, self._unsent = self._unsent, []
            await self._publish(unsent)
        return not self._unsent

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        """Publish a message for each run; unconfirmed ones are kept for `flush`. `bury` marks messages to be rejected.

        Returns before the confirms arrive, so that the next due jobs do not wait for the broker's disk. Waits only
        while several batches are in flight already.
        """
        if not runs:
            return
        batch = asyncio.create_task(self._publish([(run, bury) for run in runs]))
        self._in_flight.add(batch)
        batch.add_done_callback(self._done)
        while len(self._in_flight) >= _MOST_IN_FLIGHT:
            await asyncio.wait(self._in_flight, return_when=asyncio.FIRST_COMPLETED)

    def _done(self, batch: "asyncio.Task[None]") -> None:
        self._in_flight.discard(batch)
        if not batch.cancelled() and (error := batch.exception()):
            log.error("messages not sent; their runs will wake again", error=repr(error), exc_info=error)

    async def drain(self) -> None:
        """Wait for the batches in flight; each ends at the publisher's timeout at the latest."""
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _publish(self, items: Sequence[tuple[Run, bool]]) -> None:
        error = await self.publisher.ensure_queues({run.queue for run, _ in items})
        errors = [error] * len(items) if error else await self.publisher.publish([_message(*item) for item in items])
        failed = [(item, error) for item, error in zip(items, errors, strict=True) if error is not None]
        if failed:
            log.warning("messages not confirmed", count=len(failed), error=repr(failed[0][1]))
            self.publisher.forget_queues()  # the broker may have lost them with its data
            self._unsent = [*self._unsent, *(item for item, _ in failed)][:_MOST_UNSENT]


def _message(run: Run, bury: bool) -> OutgoingMessage:
    body = RunMessage(run.id, run.dispatch, bury).encode()
    return OutgoingMessage(RUNS, run.queue, body, message_id=f"{run.id}.{run.dispatch}")
