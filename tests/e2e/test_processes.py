"""Several processes of one executor: each is a full executor, and what is killed loses no more than a kill loses."""

import os
import re
import signal
from functools import partial
from typing import Any

import httpx2
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelLockedResource

from duebook_common.broker.topology import presence_queue
from duebook_common.domain.run.losses import EXECUTOR_ENDED
from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.services import Service
from support.amqp import on_channel
from support.fleet import Platform, eventually
from support.load import Load, held, job_spec, launch, metric, mix

_SUCCEEDED = 'duebook_runs_total{outcome="succeeded"'
_SIGNS = """
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7244 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def start(platform: Platform, **environment: str) -> tuple[Load, Service]:
    load = Load(platform, DUEBOOK_PROCESSES="2", **environment)
    launch(platform, api=1, scheduler=1, executor=1)
    return load, platform["executor", 0]


def readyz(service: Service) -> tuple[int, dict[str, Any]]:
    answer = httpx2.get(f"{service.url}/readyz", timeout=30, trust_env=False, verify=WITHOUT_TLS)
    return answer.status_code, answer.json()["components"]


def children(service: Service) -> list[int]:
    """The ids of the processes that this parent has started and that have not ended."""
    assert service.process is not None
    pid = service.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:  # noqa: PTH123
        return [int(each) for each in file.read().split()]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def names(platform: Platform) -> list[str]:
    """The names of the executors that are registered, without that of the machine."""
    found = platform.get("/api/executor")["items"]
    assert all(each["name"].startswith(f"executor {each['host']}/") for each in found)
    return sorted(re.sub(r".*-(\d+)$", r"\1", each["host"]) for each in found if each["state"] == "alive")


def is_connected(platform: Platform, executor: str) -> bool:
    """Whether the executor has its presence queue, by which schedulers see that it is connected to RabbitMQ."""

    async def look(channel: AbstractChannel) -> bool:
        try:
            await channel.declare_queue(presence_queue(executor), passive=True)
        except ChannelLockedResource:
            return True
        return False

    return on_channel(platform.environment["DUEBOOK_RABBITMQ_URL"], look)


def executors(rows: list[Any]) -> list[str]:
    return [row["executor"] for row in rows]


def test_a_task_that_kills_its_process_loses_the_attempts_of_that_process_alone(platform: Platform) -> None:
    load, parent = start(platform, DUEBOOK_LEASE="PT1H")
    eventually(lambda: names(platform) == ["1", "2"])
    assert readyz(parent) == (200, {"process 1": "ok", "process 2": "ok"})
    eventually(lambda: load.query(_SIGNS)[0]["count"] >= 2)
    assert load.query(_SIGNS)[0]["count"] == 2, "each process gives its sign of life, the parent none"
    for each in platform.get("/api/executor")["items"]:
        eventually(partial(is_connected, platform, each["name"]))
    load.submit(held(8, "gate"), [job_spec(gate="leak", kills=1)])
    [leak] = executors(load.await_running(1, "leak"))
    before = executors(load.await_running(8, "gate"))
    assert len(set(before)) == 2
    with load.submitting(mix(60)):
        load.open("leak")
    eventually(lambda: metric(parent, "duebook_process_restarts_total") == 1, 60)
    eventually(lambda: readyz(parent)[0] == 200, 60)
    eventually(lambda: len(load.events("AttemptLost")) == before.count(leak) + 1, 60)
    load.open("gate")
    load.check()
    before_end = metric(parent, _SUCCEEDED)
    platform.await_run(platform.create(task="log")["id"], "succeeded")
    eventually(lambda: metric(parent, _SUCCEEDED) > before_end, 60)
    assert {row["data"]["error"] for row in load.events("AttemptLost")} == {EXECUTOR_ENDED}
    assert sum(row["failures"] for row in load.held("gate")) == before.count(leak)
    assert parent.stop() == 0
    eventually(lambda: names(platform) == [], 60)


def test_a_stopped_parent_lets_its_processes_drain(platform: Platform) -> None:
    load, parent = start(platform)
    load.submit(held(8, "gate"))
    load.await_running(8, "gate")
    pids = children(parent)
    parent.terminate()
    eventually(lambda: readyz(parent)[0] == 503, 60)
    load.open("gate")
    process = parent.process
    assert process is not None
    assert eventually(lambda: [process.exit_code] if process.exit_code is not None else None, 60) == [0]
    assert not any(map(is_running, pids))
    load.check()
    assert {(row["attempt"], row["failures"]) for row in load.held("gate")} == {(1, 0)}


def test_the_processes_of_a_killed_parent_drain_and_end(platform: Platform) -> None:
    load, parent = start(platform)
    load.submit(held(8, "gate"))
    load.await_running(8, "gate")
    pids = children(parent)
    assert parent.process is not None
    os.kill(parent.process.pid, signal.SIGKILL)
    eventually(lambda: names(platform) == [], 60)
    load.open("gate")
    eventually(lambda: not any(map(is_running, pids)), 60)
    load.check()
    assert {(row["attempt"], row["failures"]) for row in load.held("gate")} == {(1, 0)}
