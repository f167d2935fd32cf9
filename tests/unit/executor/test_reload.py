"""Which files `duebook-executor --reload` watches, and what counts as a change of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from duebook_executor.reload import changed, exit_code, python_files

AWAY = "//127.0.0.1:1"  # where no server listens: the executor imports its tasks before it connects
ENVIRONMENT = {
    "DUEBOOK_POSTGRES_URL": f"postgresql:{AWAY}/duebook",
    "DUEBOOK_RABBITMQ_URL": f"amqp:{AWAY}",
    "DUEBOOK_REDIS_URL": f"redis:{AWAY}",
    "DUEBOOK_PORT": "0",
    "DUEBOOK_TASKS": "watched",
    "DUEBOOK_RELOAD": "on",
    "PYTHONUNBUFFERED": "1",
}


def write(file: Path, text: str = "") -> None:
    """Other files see either none of it or all: an executor may read while this writes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def test_only_python_files_of_the_user_are_watched(tmp_path: Path) -> None:
    for name in ("a.py", "pkg/b.py", "c.txt", ".git/d.py", "env/pyvenv.cfg", "env/e.py", "pkg/__pycache__/f.py"):
        write(tmp_path / name)
    assert sorted(python_files(tmp_path)) == [tmp_path / "a.py", tmp_path / "pkg/b.py"]


def test_a_new_a_changed_and_a_deleted_file_are_changes() -> None:
    a, b, c, d = map(Path, "abcd")
    assert changed({a: 1, b: 1, c: 1}, {a: 1, b: 2, d: 1}) == [b, c, d]
    assert changed({a: 1}, {a: 1}) == []


def test_a_child_that_was_killed_is_a_failure_and_one_that_was_just_starting_is_not() -> None:
    assert [exit_code(code) for code in (0, 2, -signal.SIGTERM, -signal.SIGKILL)] == [0, 2, 0, 1]


@contextmanager
def reloading(folder: Path, processes: int) -> Iterator["subprocess.Popen[str]"]:
    program = subprocess.Popen(
        [sys.executable, "-m", "duebook_executor"],
        cwd=folder,
        env=os.environ | ENVIRONMENT | {"DUEBOOK_PROCESSES": str(processes)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield program
    finally:
        program.send_signal(signal.SIGTERM)
        program.communicate(timeout=60)


def await_line(program: "subprocess.Popen[str]", text: str) -> str:
    assert program.stdout is not None
    for line in program.stdout:
        if text in line:
            return line
    raise AssertionError(f"the program ended without {text!r}")


@pytest.mark.parametrize("processes", [1, 2])
def test_a_changed_module_is_loaded_and_a_broken_one_is_reported(tmp_path: Path, processes: int) -> None:
    module = tmp_path / "watched.py"
    write(module, 'print("loaded one")\n')
    with reloading(tmp_path, processes) as program:
        await_line(program, "loaded one")
        write(module, "def broken(:\n")
        assert "watched.py:1" in await_line(program, "DUEBOOK_TASKS is invalid")
        await_line(program, "waiting for a change of a file")
        write(module, 'print("loaded two")\n')
        await_line(program, "reloading")
        await_line(program, "loaded two")
    assert program.returncode == 0
