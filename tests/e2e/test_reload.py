"""`--reload` of an executor with two processes: attempts under way end by the old code, then both have the new."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.fleet import Platform, eventually
from support.load import launch

_MODULE = """
import asyncio
from pathlib import Path
from duebook import task

@task("version")
async def version(wait: bool) -> int:
    while wait and not Path("gate").exists():
        await asyncio.sleep(0.05)
    return {version}
"""


def save(folder: Path, version: int) -> None:
    new = folder / "own.new"
    new.write_text(_MODULE.format(version=version), encoding="utf-8")
    new.rename(folder / "own.py")


@contextmanager
def reloading(platform: Platform, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The executor in a session of its own, as in a terminal."""
    own = {"DUEBOOK_TASKS": "own", "DUEBOOK_PROCESSES": "2", "DUEBOOK_PORT": "0", "DUEBOOK_GRACE": "PT1M"}
    environment = os.environ | platform.environment | own
    command = [sys.executable, "-m", "duebook_executor", "--reload"]
    program = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        yield program
    finally:
        program.terminate()
        program.wait(90)


def executors(platform: Platform, state: str) -> set[str]:
    """The ids of the executors in this state."""
    return {each["id"] for each in platform.get("/api/executor")["items"] if each["state"] == state}


def two(platform: Platform, state: str) -> set[str] | None:
    found = executors(platform, state)
    return found if len(found) == 2 else None


def enqueue(platform: Platform, **job: Any) -> str:
    return str(platform.create(task="version", max_retries=0, **job)["id"])


def busy(platform: Platform, held: list[str]) -> set[str]:
    """The executors of all runs that are held, after one more."""
    held.append(enqueue(platform, payload=True))
    return {platform.await_run(job, "running")["executor"] for job in held}


def test_both_processes_drain_and_start_again_with_the_new_code(platform: Platform, tmp_path: Path) -> None:
    save(tmp_path, 1)
    launch(platform, api=1, scheduler=1)
    with reloading(platform, tmp_path) as program:
        old = eventually(lambda: two(platform, "alive"), 60)
        held: list[str] = []
        eventually(lambda: len(busy(platform, held)) == 2)
        save(tmp_path, 2)
        assert eventually(lambda: two(platform, "draining"), 60) == old
        assert program.poll() is None
        (tmp_path / "gate").touch()
        assert [platform.await_run(job, "succeeded")["result"] for job in held] == [1] * len(held)
        assert not eventually(lambda: two(platform, "alive"), 60) & old
        assert platform.await_run(enqueue(platform, payload=False), "succeeded")["result"] == 2
        os.killpg(program.pid, signal.SIGINT)  # Ctrl-C
        assert program.wait(60) == 0
    assert executors(platform, "alive") == set()
