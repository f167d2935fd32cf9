"""Single jobs share commits: whoever comes while a commit is under way joins the next."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.store.database import UNAVAILABLE, Pool
from duebook_common.store.job_handling import Actor, create_jobs
from duebook_common.store.resilience import isolate_failures

_TOGETHER = 200


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    job_id: UUID
    event: JobCreated
    actor: Actor
    done: asyncio.Future[Job | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class JobCreateBatcher:
    """Creates single jobs, as many at once as are asked for at once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._wishes: list[_Request] = []
        self._working: asyncio.Task[None] | None = None

    async def create(self, job_id: UUID, event: JobCreated, actor: Actor) -> Job | None:
        """The new job, or None where it exists already. Raises what the database raises."""
        wish = _Request(job_id, event, actor)
        self._wishes.append(wish)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="gathering")
        return await wish.done

    async def _work(self) -> None:
        while self._wishes:
            group = self._next()
            self._wishes = [wish for wish in self._wishes if wish.job_id not in group or group[wish.job_id] is not wish]
            await self._commit(group)

    def _next(self) -> dict[UUID, _Request]:
        """The wishes that one commit can grant: of one actor and trace, for different jobs."""
        group: dict[UUID, _Request] = {}
        for wish in self._wishes[:_TOGETHER]:
            if wish.actor == self._wishes[0].actor:
                group.setdefault(wish.job_id, wish)
        return group

    async def _commit(self, group: Mapping[UUID, _Request]) -> None:
        wishes = list(group.values())
        try:
            await isolate_failures(wishes, self._create, _refuse)
        except UNAVAILABLE as error:
            for wish in wishes:
                _refuse(wish, error)

    async def _create(self, wishes: Sequence[_Request]) -> None:
        jobs = await create_jobs(self._pool, {wish.job_id: wish.event for wish in wishes}, wishes[0].actor)
        if jobs is None and len(wishes) > 1:
            raise _OneExists
        granted: list[Job | None] = [None] if jobs is None else [*jobs]
        for wish, job in zip(wishes, granted, strict=True):
            if not wish.done.done():  # else its client has left
                wish.done.set_result(job)


class _OneExists(Exception):
    """One job of the batch exists already; which one shows when each is created alone."""


def _refuse(wish: _Request, error: Exception) -> None:
    if not wish.done.done():
        wish.done.set_exception(error)
