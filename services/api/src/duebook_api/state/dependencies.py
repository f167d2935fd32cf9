"""What the routes work with: the pool, the clock, the hints, the catalogue of tasks."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.requests import Request

from duebook_api.state.create_batcher import JobCreateBatcher
from duebook_api.state.feed import Feed
from duebook_api.state.task_catalogue import Catalogue, TaskSchemas
from duebook_common.domain.job.new_runs import DecisionContext
from duebook_common.runtime.hints import Hints
from duebook_common.store.database import Clock, Pool
from duebook_common.store.job_handling import Actor


@dataclass(frozen=True, slots=True)
class Dependencies:
    pool: Pool
    clock: Clock
    hints: Hints
    misfire: timedelta
    gathering: JobCreateBatcher
    feed: Feed
    catalogue: Catalogue = field(default_factory=Catalogue)
    forecasting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def known(self) -> TaskSchemas:
        """What executors have registered."""
        return await self.catalogue.known(self.pool)

    def terms(self) -> DecisionContext:
        """The api decides and lets the scheduler send: its runs are due at once, with no message yet."""
        return DecisionContext(now=self.clock.now(), misfire=self.misfire, patience=timedelta(minutes=1), dispatch=0)


def dependencies(request: Request) -> Dependencies:
    own: Dependencies = request.app.state.parts
    return own


def actor(request: Request) -> Actor:
    """Who asks, as the gate found out."""
    who: Actor = request.state.actor
    return who
