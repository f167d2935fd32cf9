"""What is told to the broker settles exactly what ended, with as few words as that takes."""

import asyncio
from typing import cast

import aiormq
from aiormq.abc import ChannelFrame
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.commands import Basic

from duebook_executor.acknowledgements import AckBatcher, Settlement, TagWindow

Told = list[tuple[str, int | None, bool]]


def told(row: TagWindow, acked: set[int], rejected: set[int] | None = None) -> Told:
    frames = row.settle(acked, rejected or set())
    return [(frame.name, frame.delivery_tag, getattr(frame, "multiple", False)) for frame in frames]


def test_what_ends_in_a_row_takes_one_word() -> None:
    row = TagWindow()
    assert told(row, {1, 2, 3}) == [("Basic.Ack", 3, True)]
    assert told(row, {5, 4}) == [("Basic.Ack", 5, True)]


def test_beyond_one_that_is_under_way_each_is_settled_by_itself_until_the_row_closes() -> None:
    row = TagWindow()
    assert told(row, {1, 3, 4}) == [("Basic.Ack", 1, True), ("Basic.Ack", 3, False), ("Basic.Ack", 4, False)]
    assert told(row, {6}) == [("Basic.Ack", 6, False)]
    assert told(row, {2, 5, 7}) == [("Basic.Ack", 7, True)]


def test_a_rejected_one_is_not_taken_along() -> None:
    row = TagWindow()
    assert told(row, {1, 3}, {2}) == [("Basic.Reject", 2, False), ("Basic.Ack", 3, True)]
    assert told(row, set(), {4}) == [("Basic.Reject", 4, False)]
    assert told(row, {5}, {6}) == [("Basic.Reject", 6, False), ("Basic.Ack", 5, True)]


@given(st.data())
def test_a_broker_that_hears_it_settles_each_once_and_as_it_ended(data: st.DataObject) -> None:
    acked = data.draw(st.lists(st.booleans(), min_size=1, max_size=30))
    order = data.draw(st.permutations(range(1, len(acked) + 1)))
    row, held, settled = TagWindow(), set(order), dict[int | None, bool]()
    while order:
        cut = data.draw(st.integers(1, len(order)))
        batch, order = order[:cut], order[cut:]
        ends = {tag: acked[tag - 1] for tag in batch}
        for name, last, multiple in told(row, {t for t in ends if ends[t]}, {t for t in ends if not ends[t]}):
            assert last in held, "the broker closes the channel for a delivery that it does not know"
            reach = {tag for tag in held if tag == last or (multiple and tag < last)}
            settled |= dict.fromkeys(reach, name == "Basic.Ack")
            held -= reach
        assert set(order) == held
    assert settled == dict(enumerate(acked, 1))


class Narrow:
    """A channel whose way to the broker holds one write at a time."""

    def __init__(self) -> None:
        self.number, self.is_closed = 1, False
        self.write_queue: asyncio.Queue[ChannelFrame] = asyncio.Queue(maxsize=1)


async def test_no_write_overtakes_another_however_long_the_way_is_blocked() -> None:
    channel, settling = Narrow(), AckBatcher()
    channel.write_queue.put_nowait(ChannelFrame(payload=b"", should_close=False))
    waiting = []
    for tag in range(1, 30):
        how = Settlement.REJECT if tag % 3 == 0 else Settlement.ACK
        waiting.append(asyncio.create_task(settling.settle(cast(aiormq.Channel, channel), tag, how)))
        await asyncio.sleep(0)
    channel.write_queue.get_nowait()
    told: list[tuple[str, int]] = []

    async def listen() -> None:
        while True:
            payload = (await channel.write_queue.get()).payload
            while payload:
                size, _, each = frame.unmarshal(payload)
                assert isinstance(each, Basic.Ack | Basic.Reject)
                told.append((each.name, each.delivery_tag or 0))
                payload = payload[size:]

    broker = asyncio.create_task(listen())
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    await asyncio.sleep(0)
    broker.cancel()
    assert [tag for name, tag in told if name == "Basic.Reject"] == list(range(3, 30, 3))
    acks = [tag for name, tag in told if name == "Basic.Ack"]
    assert acks == sorted(acks)
    for n, (name, tag) in enumerate(told):
        if name == "Basic.Ack":
            assert set(range(3, tag, 3)) <= {t for kind, t in told[:n] if kind == "Basic.Reject"}
