"""A parent whose children cannot start ends like a single executor: the same error, said once, and the same code."""

import os
import subprocess
import sys
from pathlib import Path

AWAY = "//127.0.0.1:1"  # where no server listens: the executor imports its tasks before it connects
ENVIRONMENT = {
    "DUEBOOK_POSTGRES_URL": f"postgresql:{AWAY}/duebook",
    "DUEBOOK_RABBITMQ_URL": f"amqp:{AWAY}",
    "DUEBOOK_REDIS_URL": f"redis:{AWAY}",
    "DUEBOOK_PORT": "0",
    "DUEBOOK_TASKS": "broken",
}


def execute(folder: Path, processes: int) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | ENVIRONMENT | {"DUEBOOK_PROCESSES": str(processes)}
    command = [sys.executable, "-m", "duebook_executor"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_module_that_cannot_be_imported_is_refused_once_and_like_by_one(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import what_is_not_there\n")
    alone, several = execute(tmp_path, 1), execute(tmp_path, 3)
    [error] = alone.stderr.splitlines()
    assert error.startswith("duebook: DUEBOOK_TASKS is invalid:")
    assert several.stderr.splitlines().count(error) == 1
    assert "process 1 of this executor ended with exit code 2 before it was ready" in several.stderr
    assert (alone.returncode, several.returncode) == (2, 2)


def test_a_number_of_processes_out_of_bounds_is_refused(tmp_path: Path) -> None:
    refused = execute(tmp_path, 65)
    assert refused.stderr == "duebook: DUEBOOK_PROCESSES is invalid: 65 is out of bounds; set 1 to 64\n"
    assert refused.returncode == 2
