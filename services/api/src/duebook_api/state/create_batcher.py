"""Jobs that are created one by one share commits: requests that arrive during a commit form the next."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.runtime.batching import Batcher
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import create_jobs
from duebook_common.store.resilience import isolate_failures


class _Request(NamedTuple):
    job_id: UUID
    event: JobCreated
    actor: Actor


class _JobExists(Exception):
    """At least one job of the batch exists already, or is in it twice; created one by one, the others succeed."""


class JobCreateBatcher:
    """Creates single jobs, many in one commit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        # `create_jobs` writes all events of a commit for one actor.
        self._batcher: Batcher[_Request, Job | None] = Batcher(self._create, key=lambda request: request.actor)

    async def create(self, job_id: UUID, event: JobCreated, actor: Actor) -> Job | None:
        """The new job, or None if a job has that id already. Raises what the database raises."""
        return await self._batcher.submit(_Request(job_id, event, actor))

    async def _create(self, requests: Sequence[_Request]) -> list[Job | Exception | None]:
        batches = await isolate_failures(requests, self._commit, lambda _, error: [error])
        return [*chain.from_iterable(batches)]

    async def _commit(self, requests: Sequence[_Request]) -> Sequence[Job | Exception | None]:
        created = {request.job_id: request.event for request in requests}
        jobs = await create_jobs(self._pool, created, requests[0].actor) if len(created) == len(requests) else None
        if jobs is None and len(requests) > 1:
            raise _JobExists
        return [None] if jobs is None else jobs
