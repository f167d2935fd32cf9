"""A message to publish, and its AMQP 0-9-1 frames.

The frames are encoded here, because the client library encodes and writes one message at a time, with a task and half a
dozen objects for each. For hundreds of messages at once that would be most of the work.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from pamqp import encode, frame
from pamqp.commands import Basic
from pamqp.common import FieldTable
from pamqp.constants import FRAME_BODY, FRAME_END_CHAR, FRAME_HEADER

# Every frame begins with type, channel and payload size; a content header goes on with class `basic`, weight (0), body
# size and property flags.
_FRAME, _HEADER = struct.Struct(">BHI"), struct.Struct(">BHIHHQH")
_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _MESSAGE_ID = 1 << 15, 1 << 13, 1 << 12, 1 << 7
_JSON, _PERSISTENT = encode.short_string("application/json"), b"\x02"


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message and its destination.

    `mandatory`: the broker returns the message if it reaches no queue. `bcc` is a second routing key, which the broker
    removes before delivery.
    """

    exchange: str
    routing_key: str
    body: bytes
    headers: FieldTable | None = None
    message_id: str | None = None
    mandatory: bool = True
    bcc: str | None = None


def encode_message(channel: int, max_content_size: int, message: OutgoingMessage, id_: str) -> Iterator[bytes]:
    """The frames of a persistent message: its method, its content header, and its body in parts of the maximum size."""
    yield _method(channel, message.exchange, message.routing_key, message.mandatory)
    yield _content_header(channel, message, id_)
    for start in range(0, len(message.body), max_content_size):
        part = message.body[start : start + max_content_size]
        yield _FRAME.pack(FRAME_BODY, channel, len(part)) + part + FRAME_END_CHAR


@lru_cache(1000)
def _method(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    return frame.marshal(Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory), channel)


def _content_header(channel: int, message: OutgoingMessage, id_: str) -> bytes:
    headers = _headers(message)
    flags = _CONTENT_TYPE | (_HEADERS if headers else 0) | _DELIVERY_MODE | _MESSAGE_ID
    properties = _JSON + headers + _PERSISTENT + encode.short_string(id_)
    size = _HEADER.size - _FRAME.size + len(properties)
    head = _HEADER.pack(FRAME_HEADER, channel, size, Basic.frame_id, 0, len(message.body), flags)
    return head + properties + FRAME_END_CHAR


def _headers(message: OutgoingMessage) -> bytes:
    """The encoded headers; RabbitMQ reads further routing keys from `BCC` (its extension "sender-selected")."""
    if message.headers is None:
        return _bcc_only(message.bcc) if message.bcc else b""
    bcc: FieldTable = {"BCC": [message.bcc]} if message.bcc else {}
    return encode.field_table({**message.headers, **bcc})


@lru_cache(100)
def _bcc_only(routing_key: str) -> bytes:
    return encode.field_table({"BCC": [routing_key]})
