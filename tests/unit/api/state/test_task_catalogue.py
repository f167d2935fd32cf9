"""What is known of tasks is asked for once, however many want to know it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from duebook_api.state.task_catalogue import Catalogue
from duebook_common.store.database import Pool


class Away:
    """A database that does not answer."""

    def __init__(self) -> None:
        self.asked = 0

    @asynccontextmanager
    async def acquire(self, **_: Any) -> AsyncIterator[None]:
        self.asked += 1
        await asyncio.sleep(0)
        raise TimeoutError
        yield


async def test_while_the_database_is_away_at_the_beginning_one_waits_for_it_and_not_each_in_turn() -> None:
    away, catalogue = Away(), Catalogue()
    known = await asyncio.gather(*(catalogue.known(cast(Pool, away)) for _ in range(10)))
    assert away.asked == 1
    assert not any(each.names for each in known)
