"""`duebook dev`, the command behind `make up`: one sample job, one stack per directory, no process left behind.

A start takes twelve seconds of CPU, so the tests share two, in this order: the first of all, and that after its kill.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from duebook_devstack.ports import free_port
from duebook_devstack.processes import ProcessId
from support import servers
from support.documents import ROOT, blocks
from support.fleet import eventually

pytestmark = pytest.mark.xdist_group("dev")


@dataclass
class Dev:
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def await_ready(self) -> None:
        eventually(lambda: "ready: http" in self.text or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.text


@pytest.fixture(scope="module")
def directory() -> Path:
    return servers.private_path()  # the end of the test run ends its processes and removes it


@contextmanager
def dev(directory: Path, output: str) -> Iterator[Dev]:
    command = [str(Path(sys.executable).with_name("duebook")), "dev", "--port", str(free_port())]
    with (directory / output).open("wb") as file:
        process = subprocess.Popen(command, cwd=directory, stdout=file, stderr=subprocess.STDOUT, env=dict(os.environ))
    try:
        yield Dev(process, directory / output)
    finally:
        process.terminate()
        process.wait(60)


def running(directory: Path) -> list[ProcessId]:
    rows = json.loads((directory / ".duebook/processes.json").read_text(encoding="utf-8"))
    return [process for process in (ProcessId(**row) for row in rows) if process.alive]


def run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in this directory needs no URL: not of the api, not of the database, not of the services."""
    program = str(Path(sys.executable).with_name("duebook"))
    return subprocess.run([program, *command, "-o", "json"], cwd=directory, capture_output=True, text=True, check=False)


def must_be_found_by_commands(directory: Path) -> None:
    def data(*command: str) -> Any:
        done = run(directory, *command)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert data("job", "show", "sample")["name"] == "sample"
    assert data("key", "list") == []
    assert data("verify")["breaches"] == []
    services = {each["service"]: each["state"] for each in data("status")["services"]}
    assert services == dict.fromkeys(("api", "scheduler", "executor", "notifier"), "ready")


@dataclass
class Killed:
    """A start that was killed once it was ready: its output, that of a second one beside it, and its processes."""

    first: str
    second: str
    processes: list[ProcessId]


@pytest.fixture(scope="module")
def killed(directory: Path) -> Killed:
    with dev(directory, "first") as first:
        first.await_ready()
        must_be_found_by_commands(directory)
        with dev(directory, "second") as second:
            assert second.process.wait(60) == 1
        first.process.kill()
        first.process.wait()
    return Killed(first.text, second.text, running(directory))


def test_the_first_start_runs_a_sample_job_and_there_is_no_second(killed: Killed) -> None:
    assert killed.first.count("AttemptSucceeded") == 1
    assert "already running" in killed.second
    names = {process.name for process in killed.processes}
    assert {"postgres", "redis", "rabbitmq", "epmd", "mail", "api", "executor"} <= names


_IDENTIFIER, _NUMBER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), re.compile(r"\d+")


def shape(line: str) -> str:
    """A line of output without what differs from start to start."""
    return " ".join(_NUMBER.sub("0", _IDENTIFIER.sub("ID", line)).split())


def test_make_up_prints_what_the_readme_shows(killed: Killed) -> None:
    [shown] = [block.text for block in blocks(ROOT / "README.md") if block.mark == "make up"]
    printed = [shape(line) for line in killed.first.splitlines()]
    for line in shown.splitlines():
        begin = shape(line.partition("…")[0])
        assert any(each.startswith(begin) for each in printed), f"{line}\n\n" + "\n".join(printed)


@pytest.fixture(scope="module")
def restarted(directory: Path, killed: Killed) -> Iterator[Dev]:
    """A start after the kill."""
    assert killed.processes
    with dev(directory, "next") as following:
        following.await_ready()
        yield following


def test_a_start_after_a_kill_ends_the_orphans_and_keeps_the_data(killed: Killed, restarted: Dev) -> None:
    assert not [process.name for process in killed.processes if process.alive]
    assert "ended postgres" in restarted.text
    assert "sample job" not in restarted.text


def kill(directory: Path, name: str, number: signal.Signals = signal.SIGKILL) -> ProcessId:
    process = next(process for process in running(directory) if process.name == name)
    os.kill(process.pid, number)
    return process


def is_back(directory: Path, *killed: ProcessId) -> bool:
    running_now = running(directory)
    return all(any(each.name == old.name and each != old for each in running_now) for old in killed)


def test_what_was_killed_is_started_again_and_named(directory: Path, restarted: Dev) -> None:
    ended = [kill(directory, name) for name in ("executor", "scheduler", "postgres", "rabbitmq", "redis", "mail")]
    eventually(lambda: is_back(directory, *ended), 120)
    eventually(lambda: run(directory, "status").returncode == 0, 60)
    created = run(directory, "job", "create", "again", "--wait", "PT60S")
    assert json.loads(created.stdout)["run"]["status"] == "succeeded", created.stderr
    must_be_found_by_commands(directory)
    assert restarted.process.poll() is None
    for process in ended:
        assert f"{process.name} ended with exit code -9, and is started again" in restarted.text


def test_a_service_that_was_stopped_stays_stopped(directory: Path, restarted: Dev) -> None:
    kill(directory, "notifier", signal.SIGTERM)
    eventually(lambda: "notifier was stopped" in restarted.text, 60)
    assert restarted.process.poll() is None
    assert "notifier" not in {process.name for process in running(directory)}


def test_a_stop_leaves_no_process(directory: Path, restarted: Dev) -> None:
    started = running(directory)
    assert {"postgres", "redis", "rabbitmq", "epmd", "mail", "api", "executor"} <= {each.name for each in started}
    restarted.process.send_signal(signal.SIGINT)
    assert restarted.process.wait(60) == 0
    assert not [process.name for process in started if process.alive]
