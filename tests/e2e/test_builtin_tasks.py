"""The built-in tasks on real servers, from the request to the effect and the recorded result."""

import asyncio
import json

import aio_pika
import pytest

from support.fleet import Platform, eventually
from support.smtp_server import Mailbox

ON_FAILURE = {"to": ["ops@example.com"], "on": ["dead_lettered"]}
QUEUE = "orders"


@pytest.fixture
def orders(rabbitmq_url: str) -> None:
    async def declare() -> None:
        async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
            await channel.declare_queue(QUEUE, durable=True)

    asyncio.run(declare())


async def next_order(url: str) -> tuple[dict[str, object], str | None]:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        message = await (await channel.get_queue(QUEUE)).get()
        await message.ack()
        return json.loads(message.body), message.message_id


@pytest.mark.usefixtures("orders")
def test_a_mail_and_a_message_are_sent_and_failures_dead_lettered(
    platform: Platform, smtp: Mailbox, rabbitmq_url: str
) -> None:
    platform.start_all()
    mail = {"to": ["a@example.com", "b@example.com"], "subject": "Your order", "text": "It is on its way."}
    mailing = platform.create(name="mail", task="email.send", payload=mail, notify=ON_FAILURE)
    message = {"routing_key": QUEUE, "body": {"order": 7}}
    publishing = platform.create(name="message", task="amqp.publish", payload=message, notify=ON_FAILURE)
    mailed = platform.await_run(mailing["id"], "succeeded")
    published = platform.await_run(publishing["id"], "succeeded")
    assert [(m["to"], m["subject"]) for m in smtp.messages] == [("a@example.com, b@example.com", "Your order")]
    assert mailed["result"] == {"message_id": smtp.messages[0]["message-id"], "refused": {}}
    assert asyncio.run(next_order(rabbitmq_url)) == ({"order": 7}, published["id"])

    unroutable = {"routing_key": "no-such-queue"}
    lost = platform.create(name="lost", task="amqp.publish", payload=unroutable, max_retries=0, notify=ON_FAILURE)
    assert "no queue is bound" in platform.await_run(lost["id"], "dead_lettered")["error"]
    eventually(lambda: len(smtp.messages) == 2)
    forged = platform.api.post(
        "/api/job", json={"name": "forged", "task": "amqp.publish", "payload": {"exchange": "duebook.events"}}
    )
    assert (forged.status_code, forged.json()["errors"][0]["pointer"]) == (422, "/payload/exchange")
