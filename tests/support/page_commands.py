"""An operator who types the commands of a page, with the programs of a server at hand."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from duebook_devstack.accounts import Account
from duebook_devstack.postgres import Postgres
from support.documents import ROOT, blocks


class PageCommands:
    """The blocks of a page that are marked `sh operator`, in order; each `run` does the next ones."""

    def __init__(
        self, page: str, environment: Mapping[str, str], account: Account | None = None, programs: Path | None = None
    ) -> None:
        self._account, self._programs = account, programs
        self._blocks = [block for block in blocks(ROOT / "docs" / page) if block.mark == "operator"]
        self.environment = dict(environment)

    def run(self, count: int = 1) -> str:
        """Do the next blocks; raises AssertionError with their output if a command fails. Returns what they print."""
        todo, self._blocks = self._blocks[:count], self._blocks[count:]
        assert len(todo) == count, "the page has fewer blocks"
        return "".join(self._do(block.text, block.where) for block in todo)

    def repeat(self) -> str:
        """Do the next block, which stays the next one."""
        return self._do(self._blocks[0].text, self._blocks[0].where)

    def skip(self, count: int = 1) -> None:
        """Leave the next blocks out."""
        del self._blocks[:count]

    def all_done(self) -> bool:
        return not self._blocks

    def _do(self, text: str, where: str) -> str:
        command = ["bash", "-c", f"set -eo pipefail\n{text}"]
        path = os.pathsep.join([*([str(self._programs)] if self._programs else []), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, **self.environment}
        account = self._account.popen() if self._account else {}
        directory = "/" if self._account else ROOT
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command, env=environment, cwd=directory, capture_output=True, text=True, check=False, **account
        )
        assert done.returncode == 0, f"{where}\n{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def superuser_of(postgres: Postgres) -> str:
    """The URL of Duebook's database with the superuser's name."""
    return postgres.superuser_url.rpartition("/")[0] + "/duebook"
