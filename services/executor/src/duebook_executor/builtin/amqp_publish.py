"""The task `amqp.publish`: one message to RabbitMQ, confirmed, and known to have reached a queue."""

import asyncio
from contextlib import suppress
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from pamqp.common import FieldTable
from pydantic_core import to_json

from duebook.tasks import Context, Fail, Task
from duebook_common.broker.topology import BROKER_ERRORS
from duebook_common.runtime.loops import detect_lost_connection
from duebook_executor.builtin.amqp_payload import AmqpMessage

_SECONDS, _CLOSING = 20.0, 1.0
_AT_ONCE = 500  # a connection has 2,047 channels at most


class AmqpPublisher:
    """A connection for publishing alone, opened at its first use and whenever the last one was lost.

    Each message has a channel of its own: one that an error closes must take no other message along.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractConnection | None = None
        self._opening, self._room = asyncio.Lock(), asyncio.Semaphore(_AT_ONCE)

    async def publish(self, payload: AmqpMessage, context: Context) -> dict[str, Any]:
        """Publish, and wait for the confirm; raises Fail."""
        try:
            async with asyncio.timeout(_SECONDS), self._room:
                await detect_lost_connection(self._publish(payload, context))
        except ChannelNotFoundEntity:
            raise Fail(f"there is no exchange {payload.exchange!r}") from None
        except PublishError:
            raise Fail(f"no queue takes what {payload.exchange!r} routes by {payload.routing_key!r}") from None
        except DeliveryError as error:
            raise Fail(f"the broker refused the message: {error}") from error
        except BROKER_ERRORS as error:
            raise Fail(f"not known to have arrived: {type(error).__name__} {error}".rstrip()) from error
        return {"message_id": context.idempotency_key}

    async def _publish(self, payload: AmqpMessage, context: Context) -> None:
        channel = await (await self._connected()).channel(publisher_confirms=True, on_return_raises=True)
        try:
            exchange = await channel.get_exchange(payload.exchange) if payload.exchange else channel.default_exchange
            await exchange.publish(_message(payload, context), payload.routing_key, mandatory=True)
        finally:
            await _closed(channel)

    async def _connected(self) -> AbstractConnection:
        async with self._opening:
            # `is_closed` knows only of what this side closed.
            if self._connection is None or not self._connection.connected.is_set():
                named: FieldTable = {"connection_name": "duebook-executor-tasks"}
                self._connection = await aio_pika.connect(self._url, timeout=10, client_properties=named, heartbeat=10)
            return self._connection

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await _closed(self._connection)


async def _closed(open_: AbstractChannel | AbstractConnection) -> None:
    """Close it in order, unless the broker no longer answers."""
    with suppress(*BROKER_ERRORS):
        async with asyncio.timeout(_CLOSING):
            await open_.close()


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


def amqp_publish_task(exchanges: AmqpPublisher) -> Task:
    async def amqp_publish(payload: AmqpMessage, context: Context) -> dict[str, Any]:
        return await exchanges.publish(payload, context)

    return Task.of("amqp.publish", amqp_publish, inline=True)
