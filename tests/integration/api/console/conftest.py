"""The api in this process with a key of its environment, on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from support.api_app import Api, running_api
from support.api_keys import FIRST


@pytest.fixture
async def guarded(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url, key=FIRST) as api:
        yield api
