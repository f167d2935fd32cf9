"""Real servers for tests: shared ones, started when a test first asks, and private ones that it may break.

With pytest-xdist all workers share one PostgreSQL and one RabbitMQ; whichever needs one first starts it. The
controlling process ends everything, also what an interrupted worker left. Where Docker has fitting images at
hand, or DUEBOOK_TEST_CONTAINERS=1 says so, the shared servers are containers.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO, TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx2

from duebook_devstack.home import StackDir, discard
from duebook_devstack.postgres import Postgres
from duebook_devstack.processes import ProcessRegistry
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.server import Server
from support import containers

_VARIABLE = "TESTS_HOME"
_PREFIX = "duebook-tests-"
_TEMPLATE = "duebook"

Facts = dict[str, str]
S = TypeVar("S", bound=Server)
_running: list[Server] = []  # shared servers that this process started, for all
_lock: list[TextIO] = []


def open_session() -> None:
    """A directory for this test run, told to the workers by the environment. First, clear away dead runs."""
    for stale in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (stale / "lock").open("r+", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _clear(stale)
    home = Path(tempfile.mkdtemp(prefix=_PREFIX))
    home.chmod(0o711)  # servers of another account pass through, and see nothing
    lock = (home / "lock").open("w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _lock.append(lock)
    os.environ[_VARIABLE] = str(home)


def close_session() -> None:
    """End and remove everything of this run."""
    leave()
    _clear(home())
    _lock.pop().close()


def leave() -> None:
    """A worker ends before others do: the servers that it started go on until the controlling process ends them."""
    for server in _running:
        server.abandon()
        server.home.close()


def home() -> Path:
    return Path(os.environ[_VARIABLE])


def private_path() -> Path:
    """A fresh directory for servers and services of one test."""
    path = Path(tempfile.mkdtemp(prefix="private-", dir=home()))
    path.chmod(0o711)
    return path


@contextmanager
def private(make: Callable[[StackDir], S]) -> Iterator[S]:
    """A started server that nobody else uses, killed in the end."""
    own = StackDir(private_path())
    server = make(own)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        own.close()


def shared_postgres() -> Facts:
    """`superuser_url`, and `url` of the migrated database that others are copied from."""
    return _shared("postgres", _start_postgres)


def shared_rabbitmq() -> Facts:
    """`url` and `management_url`."""
    return _shared("rabbitmq", _start_rabbitmq)


async def create_database(postgres: Facts, name: str, *, empty: bool) -> str:
    """A database of its own for one test, as the role `duebook`; its URL."""
    template = "template0" if empty else _TEMPLATE
    await _as_superuser(postgres, f'CREATE DATABASE "{name}" TEMPLATE {template} OWNER duebook')
    return postgres["url"].rpartition("/")[0] + f"/{name}"


async def drop_database(postgres: Facts, name: str) -> None:
    await _as_superuser(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _as_superuser(postgres: Facts, statement: str) -> None:
    connection = await asyncpg.connect(postgres["superuser_url"])
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def vhost(name: str) -> Iterator[str]:
    """A RabbitMQ virtual host of its own for one test: its URL."""
    facts = shared_rabbitmq()
    url = urlsplit(facts["url"])
    with httpx2.Client(auth=(url.username or "", url.password or ""), base_url=facts["management_url"]) as api:
        api.put(f"/api/vhosts/{name}").raise_for_status()
        try:
            yield facts["url"].rpartition("/")[0] + f"/{name}"
        finally:
            api.delete(f"/api/vhosts/{name}").raise_for_status()


def _shared(name: str, start: Callable[[Path], Facts]) -> Facts:
    """What is known of a shared server; the first process to ask starts it while the others wait."""
    note = home() / f"{name}.json"
    with (home() / f"{name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            note.write_text(json.dumps(start(home() / name)), encoding="utf-8")
    facts: Facts = json.loads(note.read_text(encoding="utf-8"))
    return facts


def _start_postgres(path: Path) -> Facts:
    if image := containers.image("postgres"):
        facts = containers.start_postgres(image)
    else:
        server = Postgres(StackDir(path), forgetful=True)
        server.start()
        _running.append(server)
        facts = {"url": server.url, "superuser_url": server.superuser_url}
    from duebook_common.integrity.migrate import migrate  # takes a second to import, which unit tests need not spend

    migrate(facts["url"])
    return facts


def _start_rabbitmq(path: Path) -> Facts:
    if image := containers.image("rabbitmq"):
        return containers.start_rabbitmq(image)
    server = RabbitMQ(StackDir(path))
    server.start()
    _running.append(server)
    return {"url": server.url, "management_url": server.management_url}


def _clear(directory: Path) -> None:
    for ledger in directory.glob("**/processes.json"):
        ProcessRegistry(ledger).sweep(seconds=0)
    for note in directory.glob("*.json"):
        containers.remove(json.loads(note.read_text(encoding="utf-8")).get("container"))
    for place in directory.iterdir():
        if place.is_dir():
            discard(place)
    shutil.rmtree(directory, ignore_errors=True)
