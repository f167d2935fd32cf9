"""A running Duebook shared by the tests of one file: each test uses jobs of its own and stops no service."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from duebook_devstack.redis import Redis
from support import servers
from support.fleet import Platform
from support.load import launch


@pytest.fixture(scope="module")
def duebook(_postgres: servers.ServerInfo, _redis: Redis) -> Iterator[Platform]:
    """Api, scheduler and one executor with the tasks of `user_tasks`."""
    name = f"test_{uuid4().hex}"
    database = asyncio.run(servers.create_database(_postgres, name, empty=False))
    with servers.vhost(name) as broker:
        urls = {"DUEBOOK_POSTGRES_URL": database, "DUEBOOK_RABBITMQ_URL": broker, "DUEBOOK_REDIS_URL": _redis.url}
        with Platform({**urls, "DUEBOOK_TASKS": "user_tasks"}) as platform:
            launch(platform, api=1, scheduler=1, executor=1)
            yield platform
    asyncio.run(servers.drop_database(_postgres, name))
