"""An executor whose resource cannot be opened ends with one line that names it."""

import subprocess
import sys
from pathlib import Path

from support.fleet import Platform

TASKS = """
from collections.abc import AsyncIterator

from duebook import resource, task


class Pool: ...


@resource
async def pool() -> AsyncIterator[Pool]:
    raise ConnectionRefusedError("no database")
    yield Pool()


@task("needs.pool")
async def needs(pool: Pool) -> None: ...
"""


def test_a_resource_that_cannot_be_opened_ends_the_start(duebook: Platform, tmp_path: Path) -> None:
    (tmp_path / "broken_pool.py").write_text(TASKS)
    own = {"DUEBOOK_TASKS": "broken_pool", "DUEBOOK_QUEUES": "broken-pool", "DUEBOOK_PORT": "0", "PYTHONPATH": ""}
    program = Path(sys.executable).with_name("duebook-executor")
    command = subprocess.Popen(
        [program],
        cwd=tmp_path,
        env={**duebook.environment, **own},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with command as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    (line,) = [each for each in output.splitlines() if "cannot start" in each]
    assert "the resource pool (broken_pool.py:10) cannot be opened: ConnectionRefusedError: no database" in line
