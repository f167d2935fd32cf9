"""Sending runs: right after the commit, confirmed, and again where that failed.

Nothing here is kept over a crash: a run whose message was never sent comes back by its `wake_at`.
"""

from collections.abc import Sequence

import structlog

from duebook_common.domain.run import Run
from duebook_common.messaging import RUNS, Outgoing, Publisher, RunMessage

log = structlog.stdlib.get_logger("outbox")

_MOST_KEPT = 20_000


class Outbox:
    """The scheduler's way to RabbitMQ."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._unsent: list[tuple[Run, bool]] = []

    async def flush(self) -> bool:
        """Send what could not be sent before; False while the broker does not take it."""
        if not self._publisher.connected:
            return False
        if self._unsent:
            unsent, self._unsent = self._unsent, []
            await self._publish(unsent)
        return not self._unsent

    async def send(self, runs: Sequence[Run], *, bury: bool = False) -> None:
        """Send a message for each run; what fails is kept for `flush`."""
        await self._publish([(run, bury) for run in runs])

    async def _publish(self, items: Sequence[tuple[Run, bool]]) -> None:
        if not items:
            return
        error = await self._publisher.ensure_work({run.queue for run, _ in items})
        answers = [error] * len(items) if error else await self._publisher.publish([_message(*item) for item in items])
        failed = [(item, answer) for item, answer in zip(items, answers, strict=True) if answer is not None]
        if failed:
            log.warning("messages not confirmed", count=len(failed), error=repr(failed[0][1]))
            self._publisher.forget_queues()  # they may be gone with the broker's data
            self._unsent = [*self._unsent, *(item for item, _ in failed)][:_MOST_KEPT]


def _message(run: Run, bury: bool) -> Outgoing:
    body = RunMessage(run.id, run.dispatch, bury).encode()
    return Outgoing(RUNS, run.queue, body, message_id=f"{run.id}.{run.dispatch}")
