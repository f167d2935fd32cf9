"""The local stack: how servers start, break, restart and end."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGTERM

import aio_pika
import asyncpg
import pytest

from duebook_devstack.postgres import Postgres
from duebook_devstack.processes import Process, ProcessDied, ProcessId, ProcessRegistry
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.redis import Redis
from duebook_devstack.stack_dir import AlreadyRunning, StackDir


@pytest.fixture
def stack_dir(tmp_path: Path) -> Iterator[StackDir]:
    stack_dir = StackDir(tmp_path / "stack")
    yield stack_dir
    stack_dir.close()


def start(stack_dir: StackDir, code: str = "import time; time.sleep(60)") -> Process:
    command, log = [sys.executable, "-c", code], stack_dir.log("sleeper")
    return Process("sleeper", command, registry=stack_dir.registry, log=log, env={})


async def test_postgres_keeps_its_data_over_a_crash(private_postgres: Postgres) -> None:
    await execute(private_postgres.url, "CREATE TABLE kept (id int)")
    private_postgres.kill()
    private_postgres.start()
    assert await execute(private_postgres.url, "INSERT INTO kept VALUES (1)") == "INSERT 0 1"


async def test_the_role_duebook_is_not_a_superuser(postgres_url: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute(postgres_url, "COPY pg_class TO '/tmp/x'")


async def test_a_wiped_postgres_is_empty(private_postgres: Postgres) -> None:
    await execute(private_postgres.url, "CREATE TABLE lost (id int)")
    private_postgres.wipe()
    with pytest.raises(asyncpg.UndefinedTableError):
        await execute(private_postgres.url, "SELECT FROM lost")


async def execute(url: str, statement: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.execute(statement))
    finally:
        await connection.close()


def test_a_paused_server_answers_after_it_is_resumed(private_redis: Redis) -> None:
    address = ("127.0.0.1", int(private_redis.url.rpartition(":")[2].partition("/")[0]))
    private_redis.pause()
    with socket.create_connection(address, timeout=0.3) as connection:
        connection.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(16)
        private_redis.resume()
        connection.settimeout(5)
        assert connection.recv(16) == b"+PONG\r\n"


async def test_a_quorum_queue_survives_a_restart_and_not_a_wipe(private_rabbitmq: RabbitMQ) -> None:
    await declare(private_rabbitmq.url, passive=False)
    await asyncio.to_thread(private_rabbitmq.restart)
    await declare(private_rabbitmq.url, passive=True)
    await asyncio.to_thread(private_rabbitmq.wipe)
    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
        await declare(private_rabbitmq.url, passive=True)


async def declare(url: str, *, passive: bool) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("q", durable=True, passive=passive, arguments={"x-queue-type": "quorum"})


async def test_each_test_has_a_virtual_host_of_its_own(rabbitmq_url: str) -> None:
    await declare(rabbitmq_url, passive=False)


def test_reap_ends_orphans_and_spares_a_reused_pid(stack_dir: StackDir) -> None:
    orphan, other = start(stack_dir), start(stack_dir)
    stack_dir.registry.remove(other.id)
    stack_dir.registry.add(ProcessId("an ended process with the same pid", other.pid, "1", SIGKILL))
    assert ProcessRegistry(stack_dir.path / "processes.json").reap() == ["sleeper"]
    assert orphan.exit_code == -SIGTERM
    assert other.exit_code is None
    other.kill()


def test_a_directory_has_one_stack_at_a_time(stack_dir: StackDir) -> None:
    with pytest.raises(AlreadyRunning, match="already running"):
        StackDir(stack_dir.path)


def test_name_ports_and_passwords_stay_the_same(tmp_path: Path) -> None:
    starts = []
    for _ in range(2):
        stack_dir = StackDir(tmp_path / "stack")
        starts.append((stack_dir.port("a"), stack_dir.port("b"), stack_dir.password("c"), stack_dir.short_name))
        stack_dir.close()
    assert starts[0] == starts[1]
    assert starts[0][0] != starts[0][1]


def test_a_dead_process_is_reported_with_the_end_of_its_log(stack_dir: StackDir) -> None:
    process = start(stack_dir, "print('one line of explanation'); raise SystemExit(3)")
    process._popen.wait()
    with pytest.raises(ProcessDied, match=r"exit code 3.*\none line of explanation"):
        process.check()
    process.kill()
