"""`duebook dev`, the command behind `make up`: one sample job, one stack per directory, no process left behind."""

import json
import os
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
from support.fleet import eventually


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


@pytest.fixture
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


def test_the_first_start_runs_a_sample_job_and_a_stop_leaves_no_process(directory: Path) -> None:
    with dev(directory, "first") as first:
        first.await_ready()
        started = running(directory)
        must_be_found_by_commands(directory)
        with dev(directory, "second") as second:
            assert second.process.wait(30) == 1
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(60) == 0
    assert first.text.count("AttemptSucceeded") == 1
    assert "already running" in second.text
    assert {"postgres", "redis", "rabbitmq", "epmd", "mail", "api", "executor"} <= {process.name for process in started}
    assert not [process.name for process in started if process.alive]


def test_a_start_after_a_kill_ends_the_orphans_and_keeps_the_data(directory: Path) -> None:
    with dev(directory, "killed") as killed:
        killed.await_ready()
        killed.process.kill()
        killed.process.wait()
    orphans = running(directory)
    with dev(directory, "next") as following:
        following.await_ready()
        assert not [process.name for process in orphans if process.alive]
    assert "ended postgres" in following.text
    assert "sample job" not in following.text


def kill(directory: Path, name: str, number: signal.Signals = signal.SIGKILL) -> ProcessId:
    process = next(process for process in running(directory) if process.name == name)
    os.kill(process.pid, number)
    return process


def is_back(directory: Path, *killed: ProcessId) -> bool:
    running_now = running(directory)
    return all(any(each.name == old.name and each != old for each in running_now) for old in killed)


def test_what_was_killed_is_started_again_and_named(directory: Path) -> None:
    with dev(directory, "output") as stack:
        stack.await_ready()
        killed = [kill(directory, name) for name in ("executor", "scheduler", "postgres", "rabbitmq", "redis", "mail")]
        eventually(lambda: is_back(directory, *killed), 120)
        eventually(lambda: run(directory, "status").returncode == 0, 60)
        created = run(directory, "job", "create", "again", "--wait", "PT30S")
        assert json.loads(created.stdout)["run"]["status"] == "succeeded", created.stderr
        must_be_found_by_commands(directory)
        assert stack.process.poll() is None
    for process in killed:
        assert f"{process.name} ended with exit code -9, and is started again" in stack.text


def test_a_service_that_was_stopped_stays_stopped(directory: Path) -> None:
    with dev(directory, "output") as stack:
        stack.await_ready()
        kill(directory, "notifier", signal.SIGTERM)
        eventually(lambda: "notifier was stopped" in stack.text, 60)
        assert stack.process.poll() is None
        assert "notifier" not in {process.name for process in running(directory)}
