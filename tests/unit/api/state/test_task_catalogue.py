"""The catalogue reads the tasks once, however many requests want them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from duebook_api.state.task_catalogue import TaskCatalogue
from duebook_common.store.database import Pool


class UnavailablePool:
    """A database that does not answer."""

    def __init__(self) -> None:
        self.reads = 0

    @asynccontextmanager
    async def acquire(self, **_: Any) -> AsyncIterator[None]:
        self.reads += 1
        await asyncio.sleep(0)
        raise TimeoutError
        yield


async def test_requests_before_the_first_read_wait_for_one_read_of_a_dead_database() -> None:
    pool, catalogue = UnavailablePool(), TaskCatalogue()
    all_schemas = await asyncio.gather(*(catalogue.schemas(cast(Pool, pool)) for _ in range(10)))
    assert pool.reads == 1
    assert not any(schemas.schemas for schemas in all_schemas)
