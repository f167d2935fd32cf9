"""A running Duebook shared by the tests of one file: each test uses jobs of its own and stops no service."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from duebook_devstack.redis import Redis
from support import servers
from support.fleet import Platform
from support.load import launch


@pytest.fixture(scope="module")
def duebook(_postgres: servers.ServerInfo, _redis: Redis) -> Iterator[Platform]:
    """Api, scheduler and one executor with the tasks of `user_tasks`."""
    with servers.database(_postgres) as database, servers.vhost(f"test-{uuid4().hex}") as broker:
        urls = {"DUEBOOK_POSTGRES_URL": database, "DUEBOOK_RABBITMQ_URL": broker, "DUEBOOK_REDIS_URL": _redis.url}
        with Platform({**urls, "DUEBOOK_TASKS": "user_tasks"}) as platform:
            launch(platform, api=1, scheduler=1, executor=1)
            yield platform


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """A file that does not exist: a task of `user_tasks` whose payload names it goes on until the test makes it."""
    gate = tmp_path / "gate"
    yield gate
    gate.touch()  # also where the test has failed before
