"""The task `amqp.publish`: one message to RabbitMQ, confirmed, and known to have reached a queue."""

import asyncio
from typing import Annotated, Any

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError
from pamqp.common import FieldTable
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr
from pydantic_core import to_json

from duebook_common.loops import guarded
from duebook_common.messaging import BROKER_ERRORS
from duebook_common.tasks import Context, Fail, Task

_SECONDS = 20.0
_OURS = r"^duebook\."
_ROUTING = r"^([Cc][Cc]|[Bb][Cc][Cc])$"  # RabbitMQ's own headers for further routing keys


# All headers travel in one frame, and the broker ends the connection for one above 128 KiB.
_MOST_HEADERS, _LONGEST_HEADER, _LARGEST_HEADERS = 50, 1024, 16 * 1024


def _not_ours(name: str) -> str:
    if name.startswith("duebook."):
        raise ValueError("what begins with duebook. is Duebook's own: runs and outcomes come from its books alone")
    return name


def _header(name: str) -> str:
    if name.lower() in {"cc", "bcc"}:
        raise ValueError(f"the header {name} would route the message elsewhere besides")
    return name


def _bounded(headers: dict[str, Any]) -> dict[str, Any]:
    if sum(len(f"{name}{value}".encode()) for name, value in headers.items()) > _LARGEST_HEADERS:
        raise ValueError(f"all headers together have at most {_LARGEST_HEADERS} bytes")
    return headers


_Name = Annotated[
    str,
    Field(max_length=255, json_schema_extra={"not": {"pattern": _OURS}}),
    AfterValidator(_not_ours),
]
_Header = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_header)]
_Whole = Annotated[StrictInt, Field(ge=-(2**63), lt=2**63)]
# No fractions: the client library sends them in single precision.
_Value = Annotated[StrictStr, Field(max_length=_LONGEST_HEADER)] | StrictBool | _Whole


class AmqpMessage(BaseModel):
    """A payload of `amqp.publish`; the exchange "" brings a message to the queue that the routing key names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    exchange: _Name = ""
    routing_key: _Name = ""
    body: Any = None
    headers: Annotated[dict[_Header, _Value], Field(max_length=_MOST_HEADERS), AfterValidator(_bounded)] = Field(
        default_factory=dict, json_schema_extra={"propertyNames": {"not": {"pattern": _ROUTING}, "maxLength": 128}}
    )


class Exchanges:
    """A connection for publishing alone, opened at its first use and whenever the last one was lost.

    Each message has a channel of its own: one that an error closes must take no other message along.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractConnection | None = None
        self._opening: asyncio.Lock | None = None

    async def publish(self, payload: AmqpMessage, context: Context) -> dict[str, Any]:
        """Publish, and wait for the confirm; raises Fail."""
        try:
            async with asyncio.timeout(_SECONDS):
                await guarded(self._publish(payload, context))
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
            await channel.close()

    async def _connected(self) -> AbstractConnection:
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            # `is_closed` knows only of what this side closed.
            if self._connection is None or not self._connection.connected.is_set():
                named: FieldTable = {"connection_name": "duebook-executor-tasks"}
                self._connection = await aio_pika.connect(self._url, timeout=10, client_properties=named, heartbeat=10)
            return self._connection

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()


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


def amqp_publish_task(exchanges: Exchanges) -> Task:
    async def amqp_publish(payload: AmqpMessage, context: Context) -> dict[str, Any]:
        return await exchanges.publish(payload, context)

    return Task.of("amqp.publish", amqp_publish, inline=True)
