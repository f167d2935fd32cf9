"""Fixtures on real servers. Nothing is started before a test asks for it, so unit tests need no server at all."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import NoReturn
from uuid import uuid4

import pytest
from _pytest.nodeid import coerce_node_id
from hypothesis import settings

from duebook_common.runtime import timezones
from duebook_common.store.database import Pool, connect
from duebook_devstack.ports import free_port
from duebook_devstack.postgres import Postgres
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.redis import Redis
from duebook_devstack.stack import Stack
from support import servers
from support.fleet import Platform
from support.smtp_server import Mailbox

# The same examples at each run, on fast and slow machines: a failure here must be one anywhere.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.load_profile("steady")


def pytest_configure(config: pytest.Config) -> None:
    timezones.pin()
    servers.allow_slow_starts()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job and its children ignore it
    for name in [name for name in os.environ if name.startswith("DUEBOOK_") and not name.startswith("DUEBOOK_TEST_")]:
        del os.environ[name]  # no test may reach what a developer's shell names
    if not hasattr(config, "workerinput"):
        signal.signal(signal.SIGTERM, _interrupt)
        servers.open_session()


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        servers.leave()
    else:
        servers.close_session()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one `xdist_group` run on one worker: xdist 3.8 writes the group where pytest 9.2 does not read it."""
    for item in items:
        if (with_group := vars(item).get("_nodeid")) is not None:
            item._id = coerce_node_id(with_group)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def _postgres() -> servers.ServerInfo:
    return servers.shared_postgres()


@pytest.fixture
def postgres_url(_postgres: servers.ServerInfo) -> Iterator[str]:
    """A migrated database of this test's own."""
    with servers.database(_postgres) as url:
        yield url


@pytest.fixture
async def pool(postgres_url: str) -> AsyncIterator[Pool]:
    """A pool of connections to this test's own database; connections open as they are needed."""
    async with connect(postgres_url, "test", size=20) as pool:
        yield pool


@pytest.fixture
def empty_postgres_url(_postgres: servers.ServerInfo) -> Iterator[str]:
    """A database of this test's own, without any schema."""
    with servers.database(_postgres, servers.EMPTY) as url:
        yield url


@pytest.fixture
def rabbitmq_url() -> Iterator[str]:
    """A virtual host of this test's own."""
    with servers.vhost(f"test-{uuid4().hex}") as url:
        yield url


@pytest.fixture(scope="session")
def _redis() -> Iterator[Redis]:
    # One per worker: it starts at once, and its databases share one pub/sub namespace.
    with servers.private(lambda stack_dir: Redis(stack_dir, no_fsync=True)) as server:
        yield server


@pytest.fixture
def redis_url(_redis: Redis) -> str:
    """An empty Redis."""
    _redis.empty()
    return _redis.url


@pytest.fixture
def smtp() -> Iterator[Mailbox]:
    """A mail server with `url` and `messages`."""
    mailbox = Mailbox()
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture
def platform(postgres_url: str, rabbitmq_url: str, redis_url: str, smtp: Mailbox) -> Iterator[Platform]:
    """Services as processes, on the shared servers; none runs until a test starts it."""
    urls = {"POSTGRES": postgres_url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url, "SMTP": smtp.url}
    with Platform({f"DUEBOOK_{name}_URL": url for name, url in urls.items()}) as platform:
        yield platform


@pytest.fixture
def unused_tcp_port() -> int:
    """Reserved: the port that the library finds may be that of another worker a moment later."""
    return free_port()


@pytest.fixture
def private_postgres() -> Iterator[Postgres]:
    """A started PostgreSQL that this test may stop, kill, pause, restart and wipe; its `url` has no schema yet."""
    with servers.private(lambda stack_dir: Postgres(stack_dir, no_fsync=True)) as server:
        yield server


@pytest.fixture
def private_redis() -> Iterator[Redis]:
    """A started Redis that this test may break."""
    with servers.private(lambda stack_dir: Redis(stack_dir, no_fsync=True)) as server:
        yield server


@pytest.fixture
def private_rabbitmq() -> Iterator[RabbitMQ]:
    """A started RabbitMQ that this test may break, without its HTTP API; takes some seconds."""
    with servers.private(lambda stack_dir: RabbitMQ(stack_dir, management=False)) as server:
        yield server


@pytest.fixture
def stack() -> Iterator[Stack]:
    """All four servers, migrated, for this test to break. `Platform(stack.environment)` runs services on them."""
    from duebook_common.integrity.migrate import migrate

    with Stack(servers.private_path(), no_fsync=True) as stack:
        migrate(stack.postgres.url)
        yield stack
