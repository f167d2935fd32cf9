"""A queue that does not even answer its declaration is renewed after some tries."""

import asyncio
from typing import cast

import pytest

from duebook_common.broker.frames import OutgoingMessage
from duebook_common.broker.publisher import Publisher
from duebook_scheduler import run_sender
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.work_queues import WorkQueues
from support.samples import a_run


class _WithoutLeader:
    """Work queues of which none answers until it is renewed."""

    connected = True

    def __init__(self) -> None:
        self.renewed: list[tuple[str, bool]] = []

    async def declare(self, _queue: str) -> None:
        if not self.renewed:
            raise TimeoutError

    async def renew(self, queue: str, *, unconfirmed: bool) -> None:
        self.renewed.append((queue, unconfirmed))

    async def publish(self, messages: list[OutgoingMessage]) -> list[None]:
        return [None] * len(messages)


async def test_a_queue_that_is_not_declared_in_time_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_sender, "_FIRST_PAUSE", 0.001)
    queues, ready = _WithoutLeader(), asyncio.Event()
    sender = RunSender(cast(Publisher, None), cast(WorkQueues, queues), ready.set)
    await sender.send([a_run(queue="silent")])
    async with asyncio.timeout(10):
        await ready.wait()
    assert queues.renewed == [("silent", False)]
    assert sender.held_queues == frozenset()
