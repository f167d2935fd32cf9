"""The frames that we encode decode to what the client library would have sent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from duebook_common.broker.frames import OutgoingMessage, encode_message

_CHANNEL, _MAX_CONTENT_SIZE = 7, 50


def decoded(message: OutgoingMessage, id_: str = "id") -> list[Any]:
    """The parts that a broker reads from the frames."""
    data, parts = b"".join(encode_message(_CHANNEL, _MAX_CONTENT_SIZE, message, id_)), []
    while data:
        size, channel, part = frame.unmarshal(data)
        assert channel == _CHANNEL
        parts.append(part)
        data = data[size:]
    return parts


@given(st.binary(max_size=3 * _MAX_CONTENT_SIZE), st.text(max_size=50), st.booleans())
def test_a_message_survives_encoding_and_decoding(body: bytes, id_: str, mandatory: bool) -> None:
    method, header, *content = decoded(OutgoingMessage("exchange", "key", body, mandatory=mandatory), id_)
    assert isinstance(method, Basic.Publish)
    assert (method.exchange, method.routing_key, method.mandatory) == ("exchange", "key", mandatory)
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    properties = header.properties
    assert (properties.content_type, properties.delivery_mode, properties.message_id) == ("application/json", 2, id_)
    assert properties.headers is None
    assert all(isinstance(part, ContentBody) and len(part.value) <= _MAX_CONTENT_SIZE for part in content)
    assert b"".join(part.value for part in content) == body


@pytest.mark.parametrize(
    ("headers", "bcc", "expected"),
    [
        (None, "mail.named", {"BCC": ["mail.named"]}),
        ({"tries": 3, "error": "boom"}, None, {"tries": 3, "error": "boom"}),
        ({"tries": 3}, "mail.named", {"tries": 3, "BCC": ["mail.named"]}),
    ],
)
def test_headers_and_a_second_routing_key_are_encoded(headers: Any, bcc: str | None, expected: Any) -> None:
    _, header, _ = decoded(OutgoingMessage("exchange", "key", b"x", headers, bcc=bcc))
    assert header.properties.headers == expected
