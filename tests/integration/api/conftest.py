"""The api in this process, on a database of its own, without keys."""

from collections.abc import AsyncIterator

import pytest

from support.api_app import Api, running_api


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url) as api:
        yield api
