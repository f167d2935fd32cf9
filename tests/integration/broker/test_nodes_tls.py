"""Over TLS a node is reached by its address, and its certificate must bear the host that the URL names."""

import asyncio
import ssl
import subprocess
from pathlib import Path

import aio_pika
import pytest
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from duebook_common.broker import topology
from duebook_common.broker.nodes import with_one_host
from duebook_common.broker.startup import refusal


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and certificate of localhost, in one file."""
    pem = tmp_path / "node.pem"
    command = """openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2
        -out - -keyout - -subj /CN=localhost -addext subjectAltName=DNS:localhost"""
    made = subprocess.run(command.split(), check=True, capture_output=True, text=True)
    pem.write_text(made.stdout)
    return pem


async def test_a_certificate_must_bear_the_host_of_the_url(certificate: Path) -> None:
    assert topology.RUNS  # its module has installed what finds the nodes
    names: list[str | None] = []
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda _, name, __: names.append(name)
    closing = lambda _, writer: writer.close()  # noqa: E731
    async with await asyncio.start_server(closing, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        for hosts, refused in ((f"localhost:{port}", False), (f"127.0.0.1:{port},127.0.0.1:{port}", True)):
            url = with_one_host(f"amqps://guest:guest@{hosts}/?cafile={certificate}")
            connection = aio_pika.Connection(URL(url))
            with pytest.raises(AMQPConnectionError) as raised:
                await connection.connect()
            await connection.close()  # else the collector would close it, in whichever test it comes
            assert ("certificate" in (refusal(raised.value) or "")) is refused
    assert names == ["localhost", None, None]
