"""Child processes: how they end, and how a later start finds those that a killed stack left running."""

import sys
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from duebook_devstack.processes import Process, ProcessDied, ProcessId, ProcessRegistry
from support.fleet import eventually


@pytest.fixture
def registry(tmp_path: Path) -> ProcessRegistry:
    return ProcessRegistry(tmp_path / "processes.json")


def start(registry: ProcessRegistry, directory: Path, code: str = "import time; time.sleep(60)") -> Process:
    command, log = [sys.executable, "-c", code], directory / "sleeper.log"
    return Process("sleeper", command, registry=registry, log=log, env={})


def test_reap_ends_orphans_and_spares_a_reused_pid(registry: ProcessRegistry, tmp_path: Path) -> None:
    orphan, other = start(registry, tmp_path), start(registry, tmp_path)
    registry.remove(other.id)
    registry.add(ProcessId("an ended process with the same pid", other.pid, "1", SIGKILL))
    assert ProcessRegistry(tmp_path / "processes.json").reap() == ["sleeper"]
    assert orphan.exit_code == -SIGTERM
    assert other.exit_code is None
    other.kill()


def test_a_dead_process_is_reported_with_the_end_of_its_log(registry: ProcessRegistry, tmp_path: Path) -> None:
    process = start(registry, tmp_path, "print('one line of explanation'); raise SystemExit(3)")
    process._popen.wait()
    with pytest.raises(ProcessDied, match=r"exit code 3.*\none line of explanation"):
        process.check()
    process.kill()


def test_kill_ends_the_descendants_too(registry: ProcessRegistry, tmp_path: Path) -> None:
    code = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    process = start(registry, tmp_path, code)
    while not process.tail().strip():
        process.check()
    child = Path(f"/proc/{process.tail().strip()}/stat")
    assert child.exists()
    process.kill()
    assert process.exit_code == -SIGKILL
    eventually(lambda: has_ended(child))


def has_ended(status: Path) -> bool:
    """Whether a process has ended; init may not have reaped it yet."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return ") Z " in status.read_text()
    return True


def test_a_process_that_ignores_its_stop_signal_is_killed(registry: ProcessRegistry, tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    process = start(registry, tmp_path, code)
    while not process.tail():
        process.check()
    assert not process.stop(0.1)
    assert process.exit_code == -SIGKILL


def test_a_paused_process_can_be_stopped(registry: ProcessRegistry, tmp_path: Path) -> None:
    process = start(registry, tmp_path)
    process.pause()
    assert process.stop(10)
    assert process.exit_code == -SIGTERM
