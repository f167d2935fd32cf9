"""Our own frames say what the client library's would."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from duebook_common.broker.publisher import OutgoingMessage, frames

_MOST = 50


def told(message: OutgoingMessage, id_: str = "id") -> list[Any]:
    channel = cast(Any, SimpleNamespace(number=7, max_content_size=_MOST))
    data, parts = b"".join(frames(channel, message, id_)), []
    while data:
        size, number, part = frame.unmarshal(data)
        assert number == 7
        parts.append(part)
        data = data[size:]
    return parts


@given(st.binary(max_size=3 * _MOST), st.text(max_size=50), st.booleans())
def test_a_message_survives_the_wire(body: bytes, id_: str, mandatory: bool) -> None:
    method, header, *content = told(OutgoingMessage("exchange", "key", body, mandatory=mandatory), id_)
    assert isinstance(method, Basic.Publish)
    assert (method.exchange, method.routing_key, method.mandatory) == ("exchange", "key", mandatory)
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    told_of = header.properties
    assert (told_of.content_type, told_of.delivery_mode, told_of.message_id) == ("application/json", 2, id_)
    assert told_of.headers is None
    assert all(isinstance(part, ContentBody) and len(part.value) <= _MOST for part in content)
    assert b"".join(part.value for part in content) == body


@pytest.mark.parametrize(
    ("headers", "bcc", "expected"),
    [
        (None, "mail.named", {"BCC": ["mail.named"]}),
        ({"tries": 3, "error": "boom"}, None, {"tries": 3, "error": "boom"}),
        ({"tries": 3}, "mail.named", {"tries": 3, "BCC": ["mail.named"]}),
    ],
)
def test_headers_and_a_second_routing_key_travel_with_it(headers: Any, bcc: str | None, expected: Any) -> None:
    _, header, _ = told(OutgoingMessage("exchange", "key", b"x", headers, bcc=bcc))
    assert header.properties.headers == expected
