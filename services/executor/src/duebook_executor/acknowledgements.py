"""Acknowledging deliveries in batches: one write for all that end together, one acknowledgement for consecutive tags.

A hundred attempts share a commit, so a hundred deliveries end together. Acknowledged one by one, they would take a
hundred writes here and a hundred entries in the quorum queue's log at the broker.
"""

import asyncio
from enum import StrEnum

import aiormq
import structlog
from aiormq.abc import ChannelFrame
from pamqp import frame
from pamqp.commands import Basic

log = structlog.stdlib.get_logger("acknowledgements")

_WRITE_SECONDS = 5.0


class Settlement(StrEnum):
    """How a delivery ends at the broker. A rejected message goes to the dead-letter queue."""

    ACK = "ack"
    REJECT = "reject"


class TagWindow:
    """Which deliveries of one channel are settled. The broker numbers them from 1 without gaps: delivery tags."""

    def __init__(self) -> None:
        self._settled_through = 0  # every tag up to this one is settled
        self._settled_beyond: set[int] = set()

    def settle(self, acked: set[int], rejected: set[int]) -> list[Basic.Reject | Basic.Ack]:
        """The methods that settle these tags at the broker.

        One acknowledgement with `multiple` covers all open tags up to its own. Rejections go first, because that
        acknowledgement would cover their tags too.
        """
        rejections = [Basic.Reject(tag, requeue=False) for tag in sorted(rejected)]
        acked_through = self._advance(acked, rejected)
        multiple = [Basic.Ack(acked_through, multiple=True)] if acked_through else []
        return [*rejections, *multiple, *(Basic.Ack(tag) for tag in sorted(acked) if tag > self._settled_through)]

    def _advance(self, acked: set[int], rejected: set[int]) -> int:
        """Move the window to the first open tag; returns the last of `acked` on the way, 0 if there is none."""
        self._settled_beyond |= acked | rejected
        acked_through = 0
        while self._settled_through + 1 in self._settled_beyond:
            self._settled_through += 1
            self._settled_beyond.remove(self._settled_through)
            if self._settled_through in acked:
                acked_through = self._settled_through
        return acked_through


class AckBatcher:
    """Settles the deliveries of one channel.

    A settlement lost with its channel does no harm: the message comes again, and finds its run ended.
    """

    def __init__(self) -> None:
        self._window = TagWindow()
        self._acked: set[int] = set()
        self._rejected: set[int] = set()
        self._writer: asyncio.Task[None] | None = None

    async def settle(self, channel: aiormq.Channel, tag: int, settlement: Settlement) -> None:
        """Settle one delivery; returns once the settlement is on its way to the broker, or the channel is closed."""
        (self._acked if settlement is Settlement.ACK else self._rejected).add(tag)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(channel))
        await asyncio.shield(self._writer)

    async def _write(self, channel: aiormq.Channel) -> None:
        """One write after the other: in another order an acknowledgement with `multiple` could cover a rejected tag."""
        try:
            while self._acked or self._rejected:
                methods = self._window.settle(self._acked, self._rejected)
                self._acked, self._rejected = set(), set()
                await _put(channel, b"".join(frame.marshal(method, channel.number) for method in methods))
        finally:
            self._writer = None


async def _put(channel: aiormq.Channel, payload: bytes) -> None:
    """Queue the frames for the connection's writer, however long it is blocked; returns if the channel is closed."""
    while not channel.is_closed:
        try:
            async with asyncio.timeout(_WRITE_SECONDS):
                await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))
                return
        except TimeoutError:
            log.debug("connection blocked; settlements wait", bytes=len(payload))
