"""The task `amqp.publish`: publish one message to RabbitMQ; it succeeds once the broker confirms a routed message."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from pamqp.common import FieldTable
from pydantic_core import to_json

from duebook.context import Context
from duebook.errors import Fail
from duebook.tasks import Task
from duebook_common.broker.nodes import with_one_host
from duebook_common.broker.topology import BROKER_ERRORS
from duebook_common.runtime.loops import detect_lost_connection
from duebook_executor.builtin.amqp_payload import AmqpMessage

_PUBLISH_SECONDS, _CLOSE_SECONDS = 20.0, 1.0
_MOST_CHANNELS = 500  # RabbitMQ allows 2,047 on a connection


class AmqpPublisher:
    """A connection for publishing only, opened at its first use and again whenever it was lost.

    Each message has a channel of its own: an error closes the channel, and must not fail other messages.
    `exchanges` are those that tasks may publish to, `default` being the default one; without any they may use all.
    """

    def __init__(self, url: str, exchanges: Collection[str] = ()) -> None:
        self._url, self._exchanges = with_one_host(url), exchanges
        self._connection: AbstractConnection | None = None
        self._connecting, self._channels = asyncio.Lock(), asyncio.Semaphore(_MOST_CHANNELS)

    async def publish(self, payload: AmqpMessage, context: Context) -> dict[str, Any]:
        """Publish and wait for the broker's confirm; raises Fail."""
        name = payload.exchange or "default"
        if self._exchanges and name not in self._exchanges:
            allowed = ", ".join(self._exchanges)
            raise Fail(f"the exchange {name!r} is not allowed: DUEBOOK_AMQP_EXCHANGES names {allowed}", retry=False)
        try:
            async with asyncio.timeout(_PUBLISH_SECONDS), self._channels:
                await detect_lost_connection(self._publish(payload, context))
        except ChannelNotFoundEntity:
            raise Fail(f"the exchange {payload.exchange!r} does not exist") from None
        except PublishError:
            where = f"the exchange {payload.exchange!r} with the routing key {payload.routing_key!r}"
            raise Fail(f"no queue is bound to {where}") from None
        except DeliveryError as error:
            raise Fail(f"the broker refused the message: {error}") from error
        except BROKER_ERRORS as error:
            raise Fail(f"the broker did not confirm the message: {type(error).__name__} {error}".rstrip()) from error
        return {"message_id": context.idempotency_key}

    async def _publish(self, payload: AmqpMessage, context: Context) -> None:
        connection = await self._open_connection()
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        try:
            exchange = await channel.get_exchange(payload.exchange) if payload.exchange else channel.default_exchange
            await exchange.publish(_message(payload, context), payload.routing_key, mandatory=True)
        finally:
            await _close(channel)

    async def _open_connection(self) -> AbstractConnection:
        async with self._connecting:
            # `is_closed` is true only after a close by this side.
            if self._connection is None or not self._connection.connected.is_set():
                name: FieldTable = {"connection_name": "duebook-executor-tasks"}
                self._connection = await aio_pika.connect(self._url, client_properties=name, heartbeat=10)
            return self._connection

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await _close(self._connection)


async def _close(resource: AbstractChannel | AbstractConnection) -> None:
    """Close in order, or give up after a second without the broker's answer."""
    with suppress(*BROKER_ERRORS):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await resource.close()


def _message(payload: AmqpMessage, context: Context) -> aio_pika.Message:
    trace = {name: context.headers[name] for name in ("traceparent", "tracestate") if name in context.headers}
    return aio_pika.Message(
        to_json(payload.body),
        headers={**payload.headers, **trace},
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=context.idempotency_key,
        app_id="duebook",
    )


def amqp_publish_task(publisher: AmqpPublisher) -> Task:
    async def amqp_publish(payload: AmqpMessage, context: Context) -> dict[str, Any]:
        return await publisher.publish(payload, context)

    return Task.of("amqp.publish", amqp_publish, inline=True)
