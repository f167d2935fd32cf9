"""Sending runs: right after the commit, confirmed, and again where that failed.

Nothing here is kept over a crash: a run whose message was never sent comes back by its `wake_at`.
"""

import asyncio
from collections.abc import Sequence

import structlog

from duebook_common.broker.messages import RunMessage
from duebook_common.broker.publisher import OutgoingMessage, Publisher
from duebook_common.broker.topology import RUNS
from duebook_common.domain.run.state import Run

log = structlog.stdlib.get_logger("run_sender")

_MOST_KEPT, _MOST_UNDER_WAY = 20_000, 4


class RunSender:
    """The scheduler's way to RabbitMQ."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher = publisher
        self._unsent: list[tuple[Run, bool]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def flush(self) -> bool:
        """Send what could not be sent before; False while the broker does not take it."""
        if not self.publisher.connected:
            return False
        if self._unsent:
            unsent, self._unsent = self._unsent, []
            await self._publish(unsent)
        return not self._unsent

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        """Send a message for each run; what fails is kept for `flush`.

        Returns while the confirms are still on their way, so that who falls due next need not wait for the
        broker's disk, unless several batches are under way already.
        """
        if not runs:
            return
        sending = asyncio.create_task(self._publish([(run, bury) for run in runs]))
        self._under_way.add(sending)
        sending.add_done_callback(self._sent)
        while len(self._under_way) >= _MOST_UNDER_WAY:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    def _sent(self, sending: "asyncio.Task[None]") -> None:
        self._under_way.discard(sending)
        if not sending.cancelled() and (error := sending.exception()):
            log.error("messages not sent; their runs wake again", error=repr(error), exc_info=error)

    async def drain(self) -> None:
        """Wait for what is under way; each publish has an end of its own."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _publish(self, items: Sequence[tuple[Run, bool]]) -> None:
        error = await self.publisher.ensure_work({run.queue for run, _ in items})
        answers = [error] * len(items) if error else await self.publisher.publish([_message(*item) for item in items])
        failed = [(item, answer) for item, answer in zip(items, answers, strict=True) if answer is not None]
        if failed:
            log.warning("messages not confirmed", count=len(failed), error=repr(failed[0][1]))
            self.publisher.forget_queues()  # they may be gone with the broker's data
            self._unsent = [*self._unsent, *(item for item, _ in failed)][:_MOST_KEPT]


def _message(run: Run, bury: bool) -> OutgoingMessage:
    body = RunMessage(run.id, run.dispatch, bury).encode()
    return OutgoingMessage(RUNS, run.queue, body, message_id=f"{run.id}.{run.dispatch}")
