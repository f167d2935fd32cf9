"""What one process of the api keeps between requests, and how a route gets at it."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from starlette.requests import Request

from duebook_api.http.slots import SharedSlots
from duebook_api.state.changes import Changes
from duebook_api.state.create_batcher import JobCreateBatcher
from duebook_api.state.feed import Feed
from duebook_api.state.kept_answer import KeptAnswer
from duebook_api.state.overview import Overview
from duebook_api.state.queue_names import QueueNames
from duebook_api.state.queue_numbers import QueueNumbers
from duebook_api.state.run_counts import RunCounts
from duebook_api.state.run_waits import RunWaits
from duebook_api.state.schedule_search import ScheduleSearch
from duebook_api.state.side_process import SideProcess
from duebook_api.state.system import System
from duebook_api.state.task_catalogue import TaskCatalogue, TaskSchemas
from duebook_common.domain.job.commands import DecisionContext
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.mail_domains import ALL_DOMAINS, MailDomains
from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool

_LARGE_BODIES, _OF_ONE_CLIENT = 3, 2  # at once; the objects of one take up to some 100 MiB
_LEDGER_AGE = 5.0  # seconds for which the sums of the last hour serve everyone
_LARGE_COUNTS = 3  # at once: of all that match a filter, or of the times of a year; each keeps a core and a connection


@dataclass(frozen=True, slots=True)
class Dependencies:
    pool: Pool
    clock: Clock
    hints: Hints
    misfire: timedelta
    create_batcher: JobCreateBatcher
    feed: Feed
    side_process: SideProcess
    max_active_runs: int = 1_000
    mail_domains: MailDomains = ALL_DOMAINS
    max_timeout: timedelta = timedelta(days=1)
    changes: Changes = field(default_factory=Changes)
    waits: RunWaits = field(default_factory=RunWaits)
    overview: Overview = field(init=False)
    system: System = field(init=False)
    queue_names: QueueNames = field(default_factory=QueueNames)
    catalogue: TaskCatalogue = field(default_factory=TaskCatalogue)
    last_hour: KeptAnswer[dict[str, Any]] = field(default_factory=lambda: KeptAnswer(_LEDGER_AGE))
    queue_numbers: QueueNumbers = field(init=False)
    preview_search: ScheduleSearch = field(default_factory=ScheduleSearch)
    definition_search: ScheduleSearch = field(default_factory=ScheduleSearch)
    large_bodies: SharedSlots = field(default_factory=lambda: SharedSlots(_LARGE_BODIES, _OF_ONE_CLIENT))
    large_counts: SharedSlots = field(default_factory=lambda: SharedSlots(_LARGE_COUNTS, 1))
    forecasts: SharedSlots = field(default_factory=lambda: SharedSlots(1, 1))  # each keeps a core busy
    large_forecasts: SharedSlots = field(default_factory=lambda: SharedSlots(1, 1))  # of the side process

    def __post_init__(self) -> None:
        counts = RunCounts(self.changes)
        object.__setattr__(self, "overview", Overview(counts, self.changes))
        object.__setattr__(self, "system", System(self.changes))
        object.__setattr__(self, "queue_numbers", QueueNumbers(counts, self.changes))

    async def task_schemas(self) -> TaskSchemas:
        """The tasks that executors have registered."""
        return await self.catalogue.schemas(self.pool)

    def context(self) -> DecisionContext:
        """The api only decides; the scheduler sends. So a new run is due at once and has no message yet."""
        return DecisionContext(
            now=self.clock.now(),
            misfire=self.misfire,
            look_again_after=timedelta(minutes=1),
            dispatch=0,
            max_active=self.max_active_runs,
        )


def dependencies(request: Request) -> Dependencies:
    deps: Dependencies = request.app.state.dependencies
    return deps


def actor(request: Request) -> Actor:
    """Who sent the request, as the authentication middleware found out."""
    sender: Actor = request.state.actor
    return sender
