"""Real servers for tests: shared ones, started when the first test needs them, and private ones that a test may break.

With pytest-xdist all workers share one PostgreSQL and one RabbitMQ, which the first worker that needs it starts. The
controlling process ends everything, also the processes of an interrupted worker. The shared servers are containers
if Docker has suitable images, or if DUEBOOK_TEST_CONTAINERS=1 is set.
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import psutil

from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.postgres import Postgres
from duebook_devstack.processes import ProcessRegistry
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.server import Server
from duebook_devstack.stack_dir import StackDir, remove
from support import containers
from support.kept_connection import KeptConnection

_VARIABLE = "TESTS_SESSION_DIR"
_PREFIX = "duebook-tests-"
TEMPLATE, EMPTY = "duebook", "template0"
_MEMORY, _MEMORY_BYTES = "/dev/shm", 6 << 30

ServerInfo = dict[str, str]
S = TypeVar("S", bound=Server)

_running: list[Server] = []  # the shared servers that this process has started
_lock: list[TextIO] = []
_superuser = KeptConnection(answer_seconds=60)


def allow_slow_starts() -> None:
    """From now on a server that this process starts may take three minutes: the machine may be full with tests."""
    Server.start_seconds = RabbitMQ.start_seconds = 180


def open_session() -> None:
    """Create this test run's directory, which the workers find in the environment. Remove those of dead runs first."""
    for stale in [found for parent in (tempfile.gettempdir(), _MEMORY) for found in Path(parent).glob(f"{_PREFIX}*")]:
        with suppress(OSError), (stale / "lock").open("r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _clear(stale)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if _memory_is_large() else None))
    directory.chmod(0o711)  # the servers' account may pass through, and list nothing
    lock = (directory / "lock").open("w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _lock.append(lock)
    os.environ[_VARIABLE] = str(directory)


def _memory_is_large() -> bool:
    """Whether servers keep their data in memory: a new database costs a tenth of the time that it costs on a disk."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return False
    volume = os.statvfs(_MEMORY)
    free = min(volume.f_bavail * volume.f_frsize, psutil.virtual_memory().available)
    return free >= _MEMORY_BYTES and not volume.f_flag & os.ST_NOEXEC


def close_session() -> None:
    """End all processes of this test run and delete its directory."""
    leave()
    _clear(session_dir())
    forget_bytecode()
    _lock.pop().close()


def forget_bytecode() -> None:
    """Remove the bytecode of modules in the temporary folders of tests: no later run has folders of these names."""
    for parent in (tempfile.gettempdir(), _MEMORY) if sys.pycache_prefix else ():
        kept = Path(f"{sys.pycache_prefix}{parent}")
        for folder in (*kept.glob(f"{_PREFIX}*"), *kept.glob("pytest-of-*")):
            shutil.rmtree(folder, ignore_errors=True)


def leave() -> None:
    """At a worker's end: leave its shared servers running for the other workers. The controlling process ends them."""
    _superuser.close()
    for server in _running:
        server.abandon()
        server.stack_dir.close()


def session_dir() -> Path:
    return Path(os.environ[_VARIABLE])


def private_path() -> Path:
    """A new directory for the servers and services of one test."""
    path = Path(tempfile.mkdtemp(prefix="private-", dir=session_dir()))
    path.chmod(0o711)
    return path


@contextmanager
def private(make: Callable[[StackDir], S]) -> Iterator[S]:
    """A started server for one test, killed in the end."""
    stack_dir = StackDir(private_path())
    server = make(stack_dir)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        stack_dir.close()


def shared_postgres() -> ServerInfo:
    """`superuser_url`, and `url` of the migrated database that is the template of all others."""
    return shared("postgres", _start_postgres)


def shared_rabbitmq() -> ServerInfo:
    """`url` and `management_url`."""
    return shared("rabbitmq", _start_rabbitmq)


def shared(name: str, make: Callable[[Path], ServerInfo]) -> ServerInfo:
    """What all workers share, as the first process that needs it has made it, while the others wait for the lock."""
    file = session_dir() / f"{name}.json"
    with (session_dir() / f"{name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(json.dumps(make(session_dir() / name)), encoding="utf-8")
    info: ServerInfo = json.loads(file.read_text(encoding="utf-8"))
    return info


@contextmanager
def database(postgres: ServerInfo, template: str = TEMPLATE) -> Iterator[str]:
    """The URL of a new database, dropped in the end."""
    name = f"test_{uuid4().hex}"
    url = create_database(postgres, name, template)
    try:
        yield url
    finally:
        drop_database(postgres, name)


def create_database(postgres: ServerInfo, name: str, template: str = TEMPLATE) -> str:
    """Create a database that the role `duebook` owns, as a copy of the template; returns its URL.

    Its files are copied: through the log, which is the default, that takes twice the CPU.
    """
    copy = f'TEMPLATE "{template}" STRATEGY file_copy'
    create = f'CREATE DATABASE "{name}" OWNER duebook {copy}'
    _superuser.fetch(postgres["superuser_url"], create, undo=_drop(name))
    return postgres["url"].rpartition("/")[0] + f"/{name}"


def drop_database(postgres: ServerInfo, name: str) -> None:
    _superuser.fetch(postgres["superuser_url"], _drop(name))


def _drop(name: str) -> str:
    return f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'


@contextmanager
def vhost(name: str) -> Iterator[str]:
    """The URL of a new RabbitMQ virtual host, deleted in the end."""
    info = shared_rabbitmq()
    url = urlsplit(info["url"])
    auth = (url.username or "", url.password or "")
    with httpx2.Client(auth=auth, base_url=info["management_url"], timeout=60, verify=WITHOUT_TLS) as api:
        api.put(f"/api/vhosts/{name}").raise_for_status()
        try:
            yield info["url"].rpartition("/")[0] + f"/{name}"
        finally:
            api.delete(f"/api/vhosts/{name}").raise_for_status()


def _start_postgres(path: Path) -> ServerInfo:
    if image := containers.image("postgres"):
        info = containers.start_postgres(image)
    else:
        server = Postgres(StackDir(path), no_fsync=True)
        server.start()
        _running.append(server)
        info = {"url": server.url, "superuser_url": server.superuser_url}
    from duebook_common.integrity.migrate import migrate  # slow to import, and unit tests do not need it

    migrate(info["url"])
    return info


def _start_rabbitmq(path: Path) -> ServerInfo:
    if image := containers.image("rabbitmq"):
        return containers.start_rabbitmq(image)
    server = RabbitMQ(StackDir(path))
    server.start()
    _running.append(server)
    return {"url": server.url, "management_url": server.management_url}


def _clear(directory: Path) -> None:
    for file in directory.glob("**/processes.json"):
        ProcessRegistry(file).reap(seconds=0)
    for file in directory.glob("*.json"):
        containers.remove(json.loads(file.read_text(encoding="utf-8")).get("container"))
    for subdirectory in directory.iterdir():
        if subdirectory.is_dir():
            remove(subdirectory)
    shutil.rmtree(directory, ignore_errors=True)
