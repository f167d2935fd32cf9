"""What a run holds is in no message of RabbitMQ and in no log of a service, so that an erasure need not reach them."""

from typing import Any

import pytest
from aio_pika.abc import AbstractChannel

from duebook_common.broker.topology import EVENTS, dead_letter_queue
from support.amqp import on_channel
from support.fleet import Platform, eventually

pytestmark = pytest.mark.xdist_group("erasure")
SECRET = "jane.doe@example.org"
OUTCOMES = "copies of outcomes"


def test_contents_are_in_no_message_and_in_no_log(duebook: Platform) -> None:
    broker = duebook.environment["DUEBOOK_RABBITMQ_URL"]
    on_channel(broker, _copy_outcomes)
    fields: dict[str, Any] = {"payload": {"text": SECRET}, "metadata": {"of": SECRET}, "max_retries": 1}
    backoff = {"initial": "PT0.1S", "factor": 1, "max": "PT1S", "jitter": 0}
    job = duebook.create(task="fail.saying", backoff=backoff, **fields)
    run = duebook.await_run(job["id"], "dead_lettered")
    assert SECRET in run["error"]
    run_id = run["id"].encode()
    eventually(lambda: [body for body in _bodies(broker, dead_letter_queue("default")) if run_id in body])
    outcomes = eventually(lambda: [body for body in _bodies(broker, OUTCOMES) if b"dead_lettered" in body])
    assert not [body for body in outcomes if SECRET.encode() in body]
    assert not [body for body in _bodies(broker, dead_letter_queue("default")) if SECRET.encode() in body]
    discarded = duebook.api.post(f"/api/dead-letter/{run['id']}/discard", json={"reason": "over"})
    assert discarded.is_success, discarded.text
    eventually(lambda: duebook.api.post(f"/api/run/{run['id']}/erase").is_success)
    for service in duebook.services.values():
        assert SECRET not in service.log.read_text(encoding="utf-8"), service.name


async def _copy_outcomes(channel: AbstractChannel) -> None:
    queue = await channel.declare_queue(OUTCOMES, durable=True)
    await queue.bind(EVENTS, "#")


def _bodies(broker: str, name: str) -> list[bytes]:
    """Headers and bodies of the messages of a queue, which stay there."""

    async def look(channel: AbstractChannel) -> list[bytes]:
        queue, found = await channel.get_queue(name), list[bytes]()
        while (message := await queue.get(fail=False)) is not None:
            found.append(repr(message.headers).encode() + message.body)
        return found

    return on_channel(broker, look)
