"""Shared servers as containers, where Docker has their images at hand or DUEBOOK_TEST_CONTAINERS=1 asks for it."""

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

Facts = dict[str, str]


def image(name: str) -> str | None:
    """The image to use; None where servers are to be plain processes. Pulls nothing unless asked to."""
    wish = os.environ.get("DUEBOOK_TEST_CONTAINERS")
    if wish == "0" or not (wish or _daemon_listens()):
        return None
    with _docker() as docker:
        tags = [tag for each in docker.images.list() for tag in each.tags]
    at_hand = [tag for tag in tags if tag.rpartition(":")[0].rpartition("/")[2] == name]
    return at_hand[0] if at_hand else _PULLED[name] if wish else None


def _daemon_listens() -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex("/var/run/docker.sock") == 0


def start_postgres(tag: str) -> Facts:
    from testcontainers.community.postgres import PostgresContainer

    _without_ryuk()
    container = PostgresContainer(tag, username="postgres", password=_PASSWORD, dbname="postgres", driver=None)
    container.with_command("postgres -c fsync=off -c max_connections=200").start()
    superuser = container.get_connection_url()
    asyncio.run(_make_owner(superuser))
    address = superuser.rpartition("@")[2].partition("/")[0]
    return _facts(container, superuser_url=superuser, url=f"postgresql://duebook:{_PASSWORD}@{address}/duebook")


async def _make_owner(superuser: str) -> None:
    connection = await asyncpg.connect(superuser)
    await connection.execute(f"CREATE ROLE duebook LOGIN PASSWORD '{_PASSWORD}'")
    await connection.execute("CREATE DATABASE duebook OWNER duebook")
    await connection.close()


def start_rabbitmq(tag: str) -> Facts:
    from testcontainers.core.container import DockerContainer

    _without_ryuk()
    container = DockerContainer(tag).with_exposed_ports(5672, 15672).with_command(["sh", "-c", _PLUGINS])
    container.with_envs(RABBITMQ_DEFAULT_USER="duebook", RABBITMQ_DEFAULT_PASS=_PASSWORD).start()
    host = container.get_container_host_ip()
    management = f"http://{host}:{container.get_exposed_port(15672)}"
    _await(f"{management}/api/health/checks/port-listener/5672")
    url = f"amqp://duebook:{_PASSWORD}@{host}:{container.get_exposed_port(5672)}/"
    return _facts(container, url=url, management_url=management)


def remove(container: str | None) -> None:
    """Remove a container of ours by its id."""
    if container:
        with _docker() as docker:
            docker.containers.get(container).remove(force=True, v=True)


def _await(url: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx2.get(url, auth=("duebook", _PASSWORD), timeout=5).raise_for_status()
            return
        except httpx2.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _facts(container: Any, **facts: str) -> Facts:
    return {**facts, "container": container.get_container_id()}


def _without_ryuk() -> None:
    """The controlling process removes containers itself; ryuk would need an image of its own."""
    from testcontainers.core.config import testcontainers_config

    testcontainers_config.ryuk_disabled = True


def _docker() -> closing[Any]:
    import docker

    return closing(docker.from_env())
