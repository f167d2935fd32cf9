"""Several processes of one executor: each is a full executor, and what is killed loses no more than a kill loses."""

import os
import re
import signal
from typing import Any

import httpx2

from duebook_devstack.services import Service
from support.fleet import Platform, eventually
from support.load import Load, held, launch, metric, mix


def start(platform: Platform) -> tuple[Load, Service]:
    load = Load(platform, DUEBOOK_PROCESSES="2")
    launch(platform, api=1, scheduler=1, executor=1)
    return load, platform["executor", 0]


def readyz(service: Service) -> tuple[int, dict[str, Any]]:
    answer = httpx2.get(f"{service.url}/readyz", timeout=5, trust_env=False)
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
    """The names of the executors that are registered, without the host."""
    found = platform.get("/api/executor")["items"]
    return sorted(re.sub(r".*-(\d+)/.*", r"\1", each["name"]) for each in found if each["state"] == "alive")


def test_a_killed_process_is_started_again_and_the_others_go_on(platform: Platform) -> None:
    load, parent = start(platform)
    assert names(platform) == ["1", "2"]
    assert readyz(parent) == (200, {"process 1": "ok", "process 2": "ok"})
    with load.submitting(mix(60), held(4, "gate"), mix(60)):
        load.await_running(1, "gate")
        killed = children(parent)[0]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: readyz(parent)[0] == 503)
    eventually(lambda: readyz(parent)[0] == 200)
    assert killed not in children(parent)
    assert metric(parent, "duebook_process_restarts_total") == 1
    load.open("gate")
    load.check()
    before = metric(parent, 'duebook_runs_total{outcome="succeeded"')
    platform.await_run(platform.create(task="log")["id"], "succeeded")
    eventually(lambda: metric(parent, 'duebook_runs_total{outcome="succeeded"') == before + 1)
    assert parent.stop() == 0
    assert names(platform) == ["1"], "only the killed process has not signed off: it counts as alive for a minute"


def test_a_stopped_parent_lets_its_processes_drain(platform: Platform) -> None:
    load, parent = start(platform)
    load.submit(held(8, "gate"))
    load.await_running(8, "gate")
    pids = children(parent)
    parent.terminate()
    eventually(lambda: readyz(parent)[0] == 503)
    load.open("gate")
    process = parent.process
    assert process is not None
    assert eventually(lambda: [process.exit_code] if process.exit_code is not None else None) == [0]
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
    eventually(lambda: names(platform) == [])
    load.open("gate")
    eventually(lambda: not any(map(is_running, pids)))
    load.check()
    assert {(row["attempt"], row["failures"]) for row in load.held("gate")} == {(1, 0)}
