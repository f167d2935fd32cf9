"""PostgreSQL of the local stack: crash, wipe and privileges."""

import os
from contextlib import suppress
from signal import SIGKILL

import asyncpg
import pytest

from duebook_devstack.postgres import Postgres
from duebook_devstack.processes import Process
from duebook_devstack.supervisor import Supervisor
from support.fleet import eventually


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


def test_a_restart_by_pg_ctl_is_followed(private_postgres: Postgres) -> None:
    reports: list[str] = []
    supervisor = Supervisor([private_postgres], reports.append)
    processes = [process_of(private_postgres)]
    for _ in range(2):  # the second ends an adopted process
        restart(private_postgres)
        supervisor.step()
        supervisor.step()
        processes.append(process_of(private_postgres))
    assert [report.split(",")[0] for report in reports] == 2 * [
        "postgres was stopped",
        "postgres was started again by others",
    ]
    assert len({process.pid for process in processes}) == 3
    os.kill(processes[-1].pid, SIGKILL)
    wait_for_end(processes[-1])
    supervisor.step()
    assert reports[4] == "postgres ended with exit code 1, and is started again"

    def stepped() -> bool:  # what the killed processes held is free soon
        supervisor.step()
        return answers(private_postgres)

    eventually(stepped)


def test_an_adopted_postgres_stops_in_order(private_postgres: Postgres) -> None:
    restart(private_postgres)
    private_postgres.stop()
    assert private_postgres.adopt()
    adopted = process_of(private_postgres)
    private_postgres.stop()
    assert (adopted.exit_code, private_postgres.adopt()) == (0, False)


def restart(server: Postgres) -> None:
    data = server.directory / "data"
    server._run("pg_ctl", "restart", "-w", "-D", str(data), "-l", str(data.with_name("pg_ctl.log")))


def process_of(server: Postgres) -> Process:
    assert server.process is not None
    return server.process


def answers(server: Postgres) -> bool:
    with suppress(OSError):
        return server.answers()
    return False


def wait_for_end(process: Process) -> None:
    eventually(lambda: process.exit_code is not None)


async def execute(url: str, statement: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.execute(statement))
    finally:
        await connection.close()
