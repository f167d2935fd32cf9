"""Jobs that are created one by one share commits: requests that arrive during a commit form the next."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.runtime.batching import Batcher
from duebook_common.store.actor import Actor
from duebook_common.store.database import UNAVAILABLE, Pool
from duebook_common.store.job_handling import create_jobs


class _Request(NamedTuple):
    job_id: UUID
    event: JobCreated
    actor: Actor


class _CommitAlone(Exception):
    """The batch holds a job that exists already, or one that PostgreSQL refuses: each request commits alone."""


class JobCreateBatcher:
    """Creates single jobs, many in one commit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._alone = asyncio.Lock()  # requests that commit alone do so one after the other
        # `create_jobs` writes all events of a commit for one actor, and takes an id once.
        self._batcher: Batcher[_Request, Job | None] = Batcher(
            self._commit, key=lambda request: request.actor, identity=lambda request: request.job_id
        )

    async def create(self, job_id: UUID, event: JobCreated, actor: Actor) -> Job | None:
        """The new job, or None if a job has that id already. Raises what the database raises."""
        request = _Request(job_id, event, actor)
        try:
            return await self._batcher.submit(request)
        except _CommitAlone:
            async with self._alone:
                return (await self._commit([request]))[0]

    async def _commit(self, requests: Sequence[_Request]) -> Sequence[Job | None]:
        """Create the jobs in one commit; raises _CommitAlone if one of several keeps the others from it."""
        try:
            created = {request.job_id: request.event for request in requests}
            jobs = await create_jobs(self._pool, created, requests[0].actor)
        except UNAVAILABLE:
            raise
        except Exception as error:
            if len(requests) == 1:
                raise
            raise _CommitAlone from error
        if jobs is None and len(requests) > 1:
            raise _CommitAlone
        return [None] if jobs is None else jobs
