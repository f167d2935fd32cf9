"""What the routes work with: the pool, the clock, the hints, the catalogue of tasks."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.requests import Request

from duebook_api.feed import Feed
from duebook_api.gathering import Gathering
from duebook_common.database import UNAVAILABLE, Clock, Pool, acquire
from duebook_common.domain.beginning import Terms
from duebook_common.handling import Actor
from duebook_common.hints import Hints

_TASKS = "SELECT name FROM tasks"
_CATALOGUE_SECONDS = 2.0


class Catalogue:
    """The names of the tasks that executors have registered, as they were at most two seconds ago."""

    def __init__(self) -> None:
        self._names: frozenset[str] = frozenset()
        self._good_until = 0.0

    async def names(self, pool: Pool) -> frozenset[str]:
        now = time.monotonic()
        if now >= self._good_until:
            self._good_until = now + _CATALOGUE_SECONDS  # first, so that of many requests one asks
            with suppress(*UNAVAILABLE):  # a warning more or less is no reason to fail what was done already
                async with acquire(pool) as db:
                    self._names = frozenset(record["name"] for record in await db.fetch(_TASKS))
        return self._names


@dataclass(frozen=True, slots=True)
class Parts:
    pool: Pool
    clock: Clock
    hints: Hints
    misfire: timedelta
    gathering: Gathering
    feed: Feed
    catalogue: Catalogue = field(default_factory=Catalogue)
    forecasting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def terms(self) -> Terms:
        """The api decides and lets the scheduler send: its runs are due at once, with no message yet."""
        return Terms(now=self.clock.now(), misfire=self.misfire, patience=timedelta(minutes=1), dispatch=0)


def parts(request: Request) -> Parts:
    own: Parts = request.app.state.parts
    return own


def actor(request: Request) -> Actor:
    """Who asks, as the gate found out."""
    who: Actor = request.state.actor
    return who
