"""The directory of a stack: its lock, and what it stores for the next start."""

import os
from pathlib import Path

import pytest

from duebook_devstack.stack_dir import AlreadyRunning, StackDir


def test_a_directory_has_one_stack_at_a_time(tmp_path: Path) -> None:
    stack_dir = StackDir(tmp_path)
    with pytest.raises(AlreadyRunning, match=f"already running .* with Ctrl-C .* `kill {os.getpid()}`"):
        StackDir(tmp_path)
    stack_dir.close()
    StackDir(tmp_path).close()


def test_name_ports_and_passwords_stay_the_same(tmp_path: Path) -> None:
    starts = []
    for _ in range(2):
        stack_dir = StackDir(tmp_path / "stack")
        starts.append((stack_dir.port("a"), stack_dir.port("b"), stack_dir.password("c"), stack_dir.short_name))
        stack_dir.close()
    assert starts[0] == starts[1]
    assert starts[0][0] != starts[0][1]


def test_the_log_of_the_start_before_is_kept(tmp_path: Path) -> None:
    for start in ("first", "second", "third"):
        stack_dir = StackDir(tmp_path)
        stack_dir.log("api").write_text(start)
        stack_dir.close()
    assert (tmp_path / "logs/api.log").read_text() == "third"
    assert (tmp_path / "logs/api.log.1").read_text() == "second"


def test_a_password_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    stack_dir = StackDir(tmp_path)
    stack_dir.password("postgres")
    stack_dir.close()
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
