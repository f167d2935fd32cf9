"""A queue that is new, slow or broken concerns the messages of its own runs only."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from duebook_common.broker import topology
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.topology import dead_letter_queue, declare_work, work_queue
from duebook_common.domain.run.state import Run
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_scheduler import run_sender, work_queues
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.work_queues import WorkQueues
from support.bookkeeping import eventually
from support.proxy import Proxy
from support.queues import put, take
from support.samples import a_run

NEW_QUEUES = [f"new-{n}" for n in range(20)]


class Setup(NamedTuple):
    """A sender whose questions to the broker pass a proxy, and a channel of the test's own."""

    url: str
    sender: RunSender
    proxy: Proxy
    queues: WorkQueues
    channel: AbstractChannel

    async def receive(self, queue: str) -> None:
        """Take one message from the queue, once it is ready."""
        await eventually(lambda: self._received(queue))

    async def _received(self, queue: str) -> bool:
        """False also if RabbitMQ ends the connection, as it may while a new queue elects its leader."""
        with suppress(*topology.BROKER_ERRORS):
            async with await aio_pika.connect(self.url) as connection:
                source = await (await connection.channel()).get_queue(work_queue(queue), ensure=False)
                message = await source.get(fail=False)
                if message is not None:
                    await message.ack()
                    return True
        return False


@pytest.fixture
async def setup(rabbitmq_url: str) -> AsyncIterator[Setup]:
    async with (
        Proxy(rabbitmq_url) as proxy,
        await topology.connect(rabbitmq_url, "tests") as connection,
        await topology.connect(proxy.url, "tests") as questions,
        await aio_pika.connect(rabbitmq_url) as own,
    ):
        queues = WorkQueues(questions)
        sender = RunSender(Publisher(connection), WorkQueues(questions, timeout=0.5))
        yield Setup(rabbitmq_url, sender, proxy, queues, await own.channel())
        await sender.drain()


def runs(*queues: str) -> list[Run]:
    return [replace(a_run(queue=queue), id=uuid4()) for queue in queues]


async def ready(sender: RunSender, *queues: str) -> bool:
    return not sender.held_queues & set(queues)


async def test_runs_of_a_new_queue_are_sent_once_it_is_declared(setup: Setup) -> None:
    await setup.sender.send(runs("a", "a", "b"))
    assert setup.sender.held_queues == {"a", "b"}
    for queue in ("a", "a", "b"):
        await setup.receive(queue)


async def test_queues_that_are_not_declared_in_time_delay_no_other_queue(setup: Setup) -> None:
    await setup.sender.send(runs("old"))
    await setup.receive("old")
    setup.proxy.hold()
    await setup.sender.send(runs(*NEW_QUEUES, "old"))
    await setup.receive("old")
    assert setup.sender.held_queues == set(NEW_QUEUES)
    assert await setup.queues.ready_messages(["old"]) == {}, "the question is not answered in time"
    await setup.sender.send(runs("old"))
    await setup.receive("old")
    setup.proxy.release()
    for queue in NEW_QUEUES:
        await setup.receive(queue)


async def test_runs_of_a_deleted_queue_are_sent_after_it_is_declared_again(setup: Setup) -> None:
    for _ in range(2):
        await setup.sender.send(runs("a"))
        await setup.receive("a")
        await setup.channel.queue_delete(work_queue("a"))


async def test_ready_messages_are_counted_and_a_lost_queue_counts_as_empty(setup: Setup) -> None:
    await declare_work(setup.channel, "a")
    await put(setup.channel, "a", b"one", b"two")

    async def counted() -> bool:
        return await setup.queues.ready_messages(["a", "lost"]) == {"a": 2, "lost": 0}

    await eventually(counted)


async def test_only_an_idle_queue_is_removed(setup: Setup) -> None:
    for name in ("used", "consumed", "buried", "idle"):
        await declare_work(setup.channel, name)
    await put(setup.channel, "used", b"a message")
    await (await setup.channel.get_queue(work_queue("consumed"))).consume(ignore)
    await setup.channel.default_exchange.publish(aio_pika.Message(b"dead"), dead_letter_queue("buried"))
    await eventually(lambda: counted(setup, {work_queue("used"): 1, dead_letter_queue("buried"): 1}))
    removed = {name: await setup.queues.remove_idle(name) for name in ("used", "consumed", "buried", "idle", "unknown")}
    assert removed == {"used": False, "consumed": False, "buried": False, "idle": True, "unknown": True}
    await setup.sender.send(runs("used", "idle"))
    await setup.receive("idle")


async def ignore(_: object) -> None:
    pass


async def counted(setup: Setup, messages: dict[str, int]) -> bool:
    queues = [await setup.channel.declare_queue(name, passive=True) for name in messages]
    return [queue.declaration_result.message_count for queue in queues] == [*messages.values()]


_HOW = {
    "stopped": "ra:stop_server(quorum_queues, {{{process}, node()}}).",
    "suspended": """
        spawn(fun() -> erlang:suspend_process(whereis({process})), receive never -> ok end end),
        timer:sleep(100).""",
}


def break_queues(server: RabbitMQ, queues: Sequence[str], how: str) -> None:
    """Leave the queues without leader, as a broker that was killed right after their first declaration may do."""
    for queue in queues:
        process = f"'%2F_{work_queue(queue)}'"
        server.evaluate(_HOW[how].format(process=process))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender asks a silent queue again soon, and takes it for lost soon."""
    monkeypatch.setattr(run_sender, "_LONGEST_PAUSE", 0.5)
    monkeypatch.setattr(work_queues, "_LAST_CHANCE_SECONDS", 3.0)


@pytest.mark.usefixtures("impatient")
async def test_a_silent_queue_is_renewed_and_delays_no_other_queue(private_rabbitmq: RabbitMQ) -> None:
    async with (
        await topology.connect(private_rabbitmq.url, "tests") as connection,
        await topology.connect(private_rabbitmq.url, "tests") as questions,
    ):
        sender = RunSender(Publisher(connection, timeout=2), WorkQueues(questions, timeout=3))
        setup = Setup(
            private_rabbitmq.url, sender, Proxy(private_rabbitmq.url), WorkQueues(questions), await connection.channel()
        )
        await sender.send(runs("fine", *_HOW))
        for queue in ("fine", *_HOW):
            await setup.receive(queue)
        for how in _HOW:
            break_queues(private_rabbitmq, [how], how)
        await sender.send(runs("fine", *_HOW))
        await setup.receive("fine")
        await eventually(lambda: holds(sender, set(_HOW)))
        await eventually(lambda: ready(sender, *_HOW), 240)
    async with await aio_pika.connect(private_rabbitmq.url) as another:
        channel = await another.channel()
        for queue in _HOW:
            await take(channel, work_queue(queue))


async def holds(sender: RunSender, queues: set[str]) -> bool:
    return sender.held_queues == queues


@pytest.mark.usefixtures("impatient")
async def test_a_queue_that_its_broker_has_half_forgotten_is_renewed(private_rabbitmq: RabbitMQ) -> None:
    """RabbitMQ 3.10 notes the process of a new queue half a second late."""
    async with (
        await topology.connect(private_rabbitmq.url, "tests") as connection,
        await topology.connect(private_rabbitmq.url, "tests") as questions,
    ):
        sender = RunSender(Publisher(connection, timeout=2), WorkQueues(questions, timeout=3))
        await sender.send(runs("a"))
        await eventually(lambda: ready(sender, "a"))
        private_rabbitmq.kill()
        await asyncio.to_thread(private_rabbitmq.start)
        await sender.send(runs(*["a"] * 500))  # on a connection, RabbitMQ reads no further than 400 that wait
        await eventually(lambda: holds(sender, {"a"}))
        await eventually(lambda: ready(sender, "a"), 240)
    async with await aio_pika.connect(private_rabbitmq.url) as another:
        await take(await another.channel(), work_queue("a"))
