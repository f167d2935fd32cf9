"""`duebook` as a test runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any
from uuid import UUID

from typer.testing import CliRunner, Result

from duebook.cli.app import app
from duebook_common.domain.run.commands import RunCommand
from duebook_common.store.actor import Actor
from duebook_common.store.database import connect
from duebook_common.store.run_handling import RunWork, handle_runs

FIRST_KEY = "the-first-key"
PROGRAM = Path(sys.executable).with_name("duebook")
FUTURE = "2100-01-01T00:00:00Z"


@dataclass
class Program:
    """Runs `duebook` with an environment, in this process. `data` returns the JSON of a command that must succeed."""

    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        merged = {**self.environment, **environment}
        with ThreadPoolExecutor(1) as thread:  # a command starts an event loop, and the test's thread may have one
            invoke = partial(CliRunner().invoke, catch_exceptions=False)
            return thread.submit(invoke, app, arguments, input=stdin, env=merged, prog_name="duebook").result()

    @contextmanager
    def started(self, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
        """The command as a child process."""
        merged = {**os.environ, **self.environment}
        with subprocess.Popen([PROGRAM, *arguments], env=merged, stdout=PIPE, stderr=PIPE, text=True) as process:
            yield process

    def data(self, *arguments: str, stdin: str = "") -> Any:
        done = self(*arguments, "-o", "json", stdin=stdin)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def job(self, name: str = "a job", *more: str) -> dict[str, Any]:
        job: dict[str, Any] = self.data("job", "create", name, "--at", FUTURE, *more)
        return job

    def run(self) -> dict[str, Any]:
        run: dict[str, Any] = self.data("job", "trigger", self.job()["id"])
        return run


async def execute(url: str, run_id: str, *commands: RunCommand) -> None:
    async with connect(url, "test", 2) as pool:
        for command in commands:
            (result,) = await handle_runs(pool, [RunWork(UUID(run_id), command)], Actor("test"))
            assert result.events, result
