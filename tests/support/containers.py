"""Shared servers as containers: if Docker has their images, or DUEBOOK_TEST_CONTAINERS=1 is set."""

import asyncio
import os
import socket
import time
from contextlib import closing
from typing import Any

import asyncpg
import httpx2

_PULLED = {"postgres": "postgres:18-alpine", "rabbitmq": "rabbitmq:4-management-alpine"}
_PLUGINS = "rabbitmq-plugins enable --offline rabbitmq_management && exec docker-entrypoint.sh rabbitmq-server"
_PASSWORD = "duebook"

ServerInfo = dict[str, str]


def image(name: str) -> str | None:
    """The image to use; None if the server is to be a plain process. Images are pulled only if the setting says 1."""
    setting = os.environ.get("DUEBOOK_TEST_CONTAINERS")
    if setting == "0" or not (setting or _daemon_listens()):
        return None
    with _docker() as docker:
        tags = [tag for image in docker.images.list() for tag in image.tags]
    present = [tag for tag in tags if tag.rpartition(":")[0].rpartition("/")[2] == name]
    return present[0] if present else _PULLED[name] if setting else None


def _daemon_listens() -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex("/var/run/docker.sock") == 0


def start_postgres(tag: str) -> ServerInfo:
    from testcontainers.community.postgres import PostgresContainer

    _without_ryuk()
    container = PostgresContainer(tag, username="postgres", password=_PASSWORD, dbname="postgres", driver=None)
    container.with_command("postgres -c fsync=off -c max_connections=200").start()
    superuser = container.get_connection_url()
    asyncio.run(_create_role(superuser))
    address = superuser.rpartition("@")[2].partition("/")[0]
    return _info(container, superuser_url=superuser, url=f"postgresql://duebook:{_PASSWORD}@{address}/duebook")


async def _create_role(superuser: str) -> None:
    connection = await asyncpg.connect(superuser)
    await connection.execute(f"CREATE ROLE duebook LOGIN PASSWORD '{_PASSWORD}'")
    await connection.execute("CREATE DATABASE duebook OWNER duebook")
    await connection.close()


def start_rabbitmq(tag: str) -> ServerInfo:
    from testcontainers.core.container import DockerContainer

    _without_ryuk()
    container = DockerContainer(tag).with_exposed_ports(5672, 15672).with_command(["sh", "-c", _PLUGINS])
    container.with_envs(RABBITMQ_DEFAULT_USER="duebook", RABBITMQ_DEFAULT_PASS=_PASSWORD).start()
    host = container.get_container_host_ip()
    management = f"http://{host}:{container.get_exposed_port(15672)}"
    _await_answer(f"{management}/api/health/checks/port-listener/5672")
    url = f"amqp://duebook:{_PASSWORD}@{host}:{container.get_exposed_port(5672)}/"
    return _info(container, url=url, management_url=management)


def remove(container: str | None) -> None:
    """Remove a container by its id, as the session's file names it."""
    if container:
        with _docker() as docker:
            docker.containers.get(container).remove(force=True, v=True)


def _await_answer(url: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx2.get(url, auth=("duebook", _PASSWORD), timeout=5).raise_for_status()
            return
        except httpx2.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _info(container: Any, **urls: str) -> ServerInfo:
    return {**urls, "container": container.get_container_id()}


def _without_ryuk() -> None:
    """Do without ryuk, which needs an image of its own: the controlling process removes the containers."""
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True


def _docker() -> closing[Any]:
    import docker

    return closing(docker.from_env())
