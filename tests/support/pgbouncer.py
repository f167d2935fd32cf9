"""PgBouncer in front of a PostgreSQL, with the settings that the page shows.

The distribution's package is installed if we are root and it is recent enough; tests are skipped without one.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from duebook_devstack.debian import no_daemons
from duebook_devstack.postgres import Postgres
from duebook_devstack.server import Server
from duebook_devstack.stack_dir import StackDir
from support import servers
from support.documents import ROOT, blocks

PAGE = "how-to/connect-through-pgbouncer.md"


_NEEDED = (1, 21)  # the first that keeps prepared statements apart
_INSTALL = ("apt-get", "--quiet", "install", "--yes", "--no-install-recommends", "pgbouncer")


@cache
def missing() -> str | None:
    """Why there is no PgBouncer to test with, or None."""
    if shutil.which("pgbouncer") is None and _version("apt-cache", "policy", "pgbouncer") >= _NEEDED:
        _install()
    found = _version("pgbouncer", "--version")
    return None if found >= _NEEDED else f"PgBouncer 1.21 is needed; this machine has {found or 'none'}"


def _version(*command: str) -> tuple[int, ...]:
    """The first version that the command prints; empty without one."""
    if not shutil.which(command[0]):
        return ()
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"(?:PgBouncer|Candidate:) (\d+)\.(\d+)", printed)
    return (int(found[1]), int(found[2])) if found else ()


def _install() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        with no_daemons():
            subprocess.run(_INSTALL, env=environment, capture_output=True, check=False, stdin=subprocess.DEVNULL)


class PgBouncer(Server):
    """It accepts the role of Duebook."""

    name = "pgbouncer"

    def __init__(self, stack_dir: StackDir, postgres: Postgres) -> None:
        super().__init__(stack_dir)
        self._postgres, self._port = postgres, stack_dir.port(self.name)

    @property
    def url(self) -> str:
        return self._postgres.url.replace(f":{urlsplit(self._postgres.url).port}/", f":{self._port}/")

    def command(self) -> Sequence[str | Path]:
        server = urlsplit(self._postgres.url)
        (self.directory / "userlist.txt").write_text(f'"{server.username}" "{server.password}"\n', encoding="utf-8")
        [shown] = [block.text for block in blocks(ROOT / "docs" / PAGE) if block.language == "text"]
        shown = shown.replace("db.example.com port=5432", f"127.0.0.1 port={server.port}")
        shown = shown.replace("/etc/pgbouncer", str(self.directory))
        settings = self.directory / "pgbouncer.ini"
        own = f"listen_addr = 127.0.0.1\nlisten_port = {self._port}\nunix_socket_dir =\n"
        settings.write_text(shown + own, encoding="utf-8")
        return [shutil.which("pgbouncer") or "pgbouncer", settings]

    def answers(self) -> bool:
        done = subprocess.run(
            [self._postgres.programs / "psql", "-qXc", "SELECT 1", self.url], capture_output=True, check=False
        )
        return done.returncode == 0


@contextmanager
def pooled(postgres: Postgres) -> Iterator[PgBouncer]:
    """A started PgBouncer, killed in the end."""
    with servers.private(lambda stack_dir: PgBouncer(stack_dir, postgres)) as server:
        yield server
