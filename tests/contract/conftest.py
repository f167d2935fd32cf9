"""A broker, a channel and a queue for each test; see `test_queues.py`."""

import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from duebook_common.broker.topology import dead_letter_queue, declare_work, work_queue
from support import servers

_OTHER = "DUEBOOK_TEST_RABBITMQ_43_URL"


@pytest.fixture(params=["ours", "4.3"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "ours":
        with servers.vhost(f"test-{uuid4().hex}") as vhost_url:
            yield vhost_url
    elif _OTHER in os.environ:
        yield os.environ[_OTHER]
    else:
        pytest.skip(f"{_OTHER} is not set")


@pytest.fixture
async def channel(url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(url, timeout=60) as connection:
        yield await connection.channel(publisher_confirms=True, on_return_raises=True)


@pytest.fixture
async def name(channel: AbstractChannel) -> AsyncIterator[str]:
    """The name of a queue in jobs. Its work queue and dead-letter queue are declared, and deleted in the end."""
    name = f"test-{uuid4().hex[:12]}"
    await declare_work(channel, name)
    yield name
    if not channel.is_closed:
        await channel.queue_delete(work_queue(name))
        await channel.queue_delete(dead_letter_queue(name))
