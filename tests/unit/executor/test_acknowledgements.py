"""The methods sent to the broker settle exactly the deliveries that ended, in as few frames as possible."""

import asyncio
from typing import cast

import aiormq
from aiormq.abc import ChannelFrame
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.commands import Basic

from duebook_executor.acknowledgements import AckBatcher, Settlement, TagWindow

Sent = list[tuple[str, int | None, bool]]


def settle(window: TagWindow, acked: set[int], rejected: set[int] | None = None) -> Sent:
    """Name, tag and `multiple` of each method."""
    methods = window.settle(acked, rejected or set())
    return [(method.name, method.delivery_tag, getattr(method, "multiple", False)) for method in methods]


def test_consecutive_tags_take_one_acknowledgement() -> None:
    window = TagWindow()
    assert settle(window, {1, 2, 3}) == [("Basic.Ack", 3, True)]
    assert settle(window, {5, 4}) == [("Basic.Ack", 5, True)]


def test_tags_beyond_an_open_one_are_acknowledged_one_by_one() -> None:
    window = TagWindow()
    assert settle(window, {1, 3, 4}) == [("Basic.Ack", 1, True), ("Basic.Ack", 3, False), ("Basic.Ack", 4, False)]
    assert settle(window, {6}) == [("Basic.Ack", 6, False)]
    assert settle(window, {2, 5, 7}) == [("Basic.Ack", 7, True)], "the gap is closed"


def test_a_rejected_tag_is_rejected_before_an_acknowledgement_could_cover_it() -> None:
    window = TagWindow()
    assert settle(window, {1, 3}, {2}) == [("Basic.Reject", 2, False), ("Basic.Ack", 3, True)]
    assert settle(window, set(), {4}) == [("Basic.Reject", 4, False)]
    assert settle(window, {5}, {6}) == [("Basic.Reject", 6, False), ("Basic.Ack", 5, True)]


@given(st.data())
def test_a_broker_settles_each_delivery_once_and_as_it_ended(data: st.DataObject) -> None:
    acked = data.draw(st.lists(st.booleans(), min_size=1, max_size=30))
    order = data.draw(st.permutations(range(1, len(acked) + 1)))
    window, unsettled, settled = TagWindow(), set(order), dict[int | None, bool]()
    while order:
        cut = data.draw(st.integers(1, len(order)))
        batch, order = order[:cut], order[cut:]
        ends = {tag: acked[tag - 1] for tag in batch}
        for name, last, multiple in settle(window, {t for t in ends if ends[t]}, {t for t in ends if not ends[t]}):
            assert last in unsettled, "the broker closes the channel for an unknown delivery tag"
            covered = {tag for tag in unsettled if tag == last or (multiple and tag < last)}
            settled |= dict.fromkeys(covered, name == "Basic.Ack")
            unsettled -= covered
        assert set(order) == unsettled
    assert settled == dict(enumerate(acked, 1))


class BlockedChannel:
    """A channel whose connection takes one write at a time."""

    def __init__(self) -> None:
        self.number, self.is_closed = 1, False
        self.write_queue: asyncio.Queue[ChannelFrame] = asyncio.Queue(maxsize=1)


async def test_writes_keep_their_order_while_the_connection_is_blocked() -> None:
    channel, acknowledger = BlockedChannel(), AckBatcher()
    channel.write_queue.put_nowait(ChannelFrame(payload=b"", should_close=False))
    waiting = []
    for tag in range(1, 30):
        settlement = Settlement.REJECT if tag % 3 == 0 else Settlement.ACK
        waiting.append(asyncio.create_task(acknowledger.settle(cast(aiormq.Channel, channel), tag, settlement)))
        await asyncio.sleep(0)
    channel.write_queue.get_nowait()
    received: list[tuple[str, int]] = []

    async def read_frames() -> None:
        while True:
            payload = (await channel.write_queue.get()).payload
            while payload:
                size, _, method = frame.unmarshal(payload)
                assert isinstance(method, Basic.Ack | Basic.Reject)
                received.append((method.name, method.delivery_tag or 0))
                payload = payload[size:]

    broker = asyncio.create_task(read_frames())
    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)
    await asyncio.sleep(0)
    broker.cancel()
    assert [tag for name, tag in received if name == "Basic.Reject"] == list(range(3, 30, 3))
    acks = [tag for name, tag in received if name == "Basic.Ack"]
    assert acks == sorted(acks)
    for n, (name, tag) in enumerate(received):
        if name == "Basic.Ack":
            assert set(range(3, tag, 3)) <= {t for kind, t in received[:n] if kind == "Basic.Reject"}
