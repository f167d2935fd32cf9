"""Settling deliveries: those that end together in one write, and those in a row by one acknowledgement.

A hundred attempts share a commit, so a hundred deliveries may be settled at once; one by one that would be a hundred
writes here and a hundred entries in the quorum queue's log there.
"""

import asyncio
from enum import StrEnum

import aiormq
import structlog
from aiormq.abc import ChannelFrame
from pamqp import frame
from pamqp.commands import Basic

log = structlog.stdlib.get_logger("settling")

_SECONDS = 5.0


class Settle(StrEnum):
    ACK = "ack"
    REJECT = "reject"


class TagWindow:
    """The deliveries of one channel, numbered from 1 without gaps: which of them are settled."""

    def __init__(self) -> None:
        self._below = 0  # up to and with this one all are settled
        self._settled: set[int] = set()  # beyond that

    def settle(self, acked: set[int], rejected: set[int]) -> list[Basic.Reject | Basic.Ack]:
        """What to tell the broker; a rejected one first, for the row's acknowledgement would take it along."""
        told: list[Basic.Reject | Basic.Ack] = [Basic.Reject(tag, requeue=False) for tag in sorted(rejected)]
        self._settled |= acked | rejected
        row = 0
        while self._below + 1 in self._settled:
            self._below += 1
            self._settled.remove(self._below)
            row = self._below if self._below in acked else row
        if row:
            told.append(Basic.Ack(row, multiple=True))
        return told + [Basic.Ack(tag) for tag in sorted(acked) if tag > self._below]


class AckBatcher:
    """Settles the deliveries of one channel.

    A settlement is a hint to the broker: the books are written already, so a lost channel is no matter.
    """

    def __init__(self) -> None:
        self._row = TagWindow()
        self._acked: set[int] = set()
        self._rejected: set[int] = set()
        self._writing: asyncio.Task[None] | None = None

    async def settle(self, channel: aiormq.Channel, tag: int, how: Settle) -> None:
        """Settle one delivery of the channel; returns once that is on its way to the broker, or cannot be."""
        (self._acked if how is Settle.ACK else self._rejected).add(tag)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(channel))
        await asyncio.shield(self._writing)

    async def _write(self, channel: aiormq.Channel) -> None:
        """One write after the other: if they overtook each other, an acknowledgement could take a rejection along."""
        try:
            while self._acked or self._rejected:
                told = self._row.settle(self._acked, self._rejected)
                self._acked, self._rejected = set(), set()
                await _put(channel, b"".join(frame.marshal(each, channel.number) for each in told))
        finally:
            self._writing = None


async def _put(channel: aiormq.Channel, payload: bytes) -> None:
    """Once the connection takes it, unless the channel has closed: then the broker delivers again."""
    while not channel.is_closed:
        try:
            async with asyncio.timeout(_SECONDS):
                await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))
                return
        except TimeoutError:
            log.debug("the connection does not take settlements", bytes=len(payload))
