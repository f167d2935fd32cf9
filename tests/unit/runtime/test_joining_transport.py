"""Head and body of an answer in one write, and nothing held back."""

import asyncio

from duebook_common.runtime.http_server import JoiningTransport

HEAD, BODY = b"HTTP/1.1 200 OK\r\n\r\n", b"body"


class Wire(asyncio.Transport):
    """What was written, write by write; an empty text for the end."""

    def __init__(self) -> None:
        super().__init__()
        self.written = list[bytes]()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.written.append(b"")

    def is_closing(self) -> bool:
        return False


def joining(wire: Wire) -> JoiningTransport:
    return JoiningTransport(wire, asyncio.get_running_loop())


async def test_a_body_that_follows_at_once_is_written_with_its_head() -> None:
    wire = Wire()
    transport = joining(wire)
    for _ in range(2):
        transport.write(HEAD)
        transport.write(BODY)
    await asyncio.sleep(0)
    assert wire.written == [HEAD + BODY] * 2


async def test_a_head_without_a_body_is_written_soon() -> None:
    wire = Wire()
    transport = joining(wire)
    transport.write(HEAD)
    assert wire.written == []
    await asyncio.sleep(0)
    assert wire.written == [HEAD]
    transport.write(BODY)
    assert wire.written == [HEAD, BODY]


async def test_a_close_holds_nothing_back() -> None:
    wire = Wire()
    transport = joining(wire)
    transport.write(HEAD)
    transport.close()
    await asyncio.sleep(0)
    assert wire.written == [HEAD, b""]
