"""`http.request` over TLS: the certificate must fit the URL's host name."""

import ssl
import subprocess
from pathlib import Path

import pytest

from duebook.errors import Fail
from duebook_executor.builtin.http_request import http_request_task
from support.http_server import LOOPBACK, fixed, run, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of hook.invalid, in one file."""
    pem = tmp_path_factory.mktemp("tls") / "hook.pem"
    command = """openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2
        -out - -keyout - -subj /CN=hook.invalid -addext subjectAltName=DNS:hook.invalid"""
    made = subprocess.run(command.split(), check=True, capture_output=True, text=True)
    pem.write_text(made.stdout)
    return pem


async def test_the_certificate_must_have_the_host_name_of_the_url(certificate: Path) -> None:
    names: list[str | None] = []
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    tls.sni_callback = lambda _, name, __: names.append(name)
    task = http_request_task(
        LOOPBACK, tls=ssl.create_default_context(cafile=str(certificate)), resolve=fixed("127.0.0.1")
    )
    async with serving(tls) as server:
        assert (await run(task, {"url": f"https://hook.invalid.:{server.port}/"}))["status"] == 200
        assert names == ["hook.invalid"]
        with pytest.raises(Fail, match=r"no connection to other\.invalid:\d+: .*CERTIFICATE_VERIFY_FAILED"):
            await run(task, {"url": f"https://other.invalid:{server.port}/"})
        assert len(server.requests) == 1


async def test_an_unknown_certificate_authority_is_refused(certificate: Path) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with serving(tls) as server:
        task = http_request_task(LOOPBACK, resolve=fixed("127.0.0.1"))
        with pytest.raises(Fail, match="CERTIFICATE_VERIFY_FAILED"):
            await run(task, {"url": f"https://hook.invalid:{server.port}/"})
        assert server.requests == []
