"""The health check of a container asks the address at which its service listens."""

import os
import shutil
import subprocess
import sys
from asyncio import to_thread
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse

from duebook_common.runtime.http_server import HttpServer

PORTS = {"api": 8000, "scheduler": 8001, "executor": 8002, "notifier": 8003}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The check and the entrypoint of an image, as the Dockerfile places them."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "entrypoint").symlink_to("duebook-api")
    return Path(shutil.copy("deploy/healthcheck.py", tmp_path)).parent


def healthy(image: Path, **variables: str) -> bool:
    own = {name: value for name, value in os.environ.items() if not name.startswith("DUEBOOK_")}
    command = [sys.executable, "-ISE", str(image / "healthcheck.py")]
    return subprocess.run(command, env=own | variables, check=False).returncode == 0


def healthy_at(image: Path, host: str, port: int) -> bool:
    return healthy(image, DUEBOOK_HOST=host, DUEBOOK_PORT=str(port))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1", "localhost"])
async def test_it_reaches_a_service_at_any_host(image: Path, host: str, unused_tcp_port: int) -> None:
    server = await HttpServer(PlainTextResponse("ready"), host, unused_tcp_port, 8).start()
    assert await to_thread(healthy_at, image, host, unused_tcp_port)
    await server.stop(timedelta(0))


async def test_a_service_that_is_not_ready_or_not_there_is_unhealthy(image: Path, unused_tcp_port: int) -> None:
    assert not await to_thread(healthy_at, image, "127.0.0.1", unused_tcp_port)
    server = await HttpServer(PlainTextResponse("draining", 503), "127.0.0.1", unused_tcp_port, 8).start()
    assert not await to_thread(healthy_at, image, "127.0.0.1", unused_tcp_port)
    await server.stop(timedelta(0))


def test_the_command_line_is_well_without_a_port(image: Path) -> None:
    (image / "bin" / "entrypoint").unlink()
    (image / "bin" / "entrypoint").symlink_to("duebook")
    assert healthy(image)
    assert healthy(image, DUEBOOK_PORT="1")  # as a file of variables for all services sets it


@pytest.mark.parametrize("service", PORTS)
def test_without_a_port_it_asks_the_service_s_own(service: str, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (image / "bin" / "entrypoint").unlink()
    (image / "bin" / "entrypoint").symlink_to(f"duebook-{service}")
    monkeypatch.delenv("DUEBOOK_PORT", raising=False)
    check: dict[str, object] = {"__file__": str(image / "healthcheck.py"), "__name__": "check"}
    exec((image / "healthcheck.py").read_text(), check)
    check["ready"] = lambda _host, port: port == PORTS[service]
    assert check["healthy"]() is True  # type: ignore[operator]
