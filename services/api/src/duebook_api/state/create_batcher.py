"""Jobs that are created one by one share commits: requests that arrive during a commit form the next."""

import asyncio
from collections.abc import Sequence

from duebook_common.domain.job.state import Job
from duebook_common.runtime.batching import Batcher
from duebook_common.store.database import UNAVAILABLE, Pool
from duebook_common.store.job_handling import create_each
from duebook_common.store.job_plan import NewJob


class _CommitAlone(Exception):
    """The batch holds a job that PostgreSQL refuses: each request commits alone."""


class JobCreateBatcher:
    """Creates single jobs of all clients, many in one commit."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._alone = asyncio.Lock()  # requests that commit alone do so one after the other
        # `create_each` takes an id once.
        self._batcher: Batcher[NewJob, Job | None] = Batcher(self._commit, identity=lambda new: new.id)

    async def create(self, new: NewJob) -> Job | None:
        """The new job, or None if a job has that id already. Raises what the database raises, and JobKeyTaken.

        A job with a key commits alone: its refusal keeps no other from the commit.
        """
        if new.event.definition.key is not None:
            return (await self._commit([new]))[0]
        try:
            return await self._batcher.submit(new)
        except _CommitAlone:
            async with self._alone:
                return (await self._commit([new]))[0]

    async def _commit(self, new_jobs: Sequence[NewJob]) -> Sequence[Job | None]:
        """Create the jobs in one commit; raises _CommitAlone if one of several keeps the others from it."""
        try:
            return await create_each(self._pool, new_jobs)
        except UNAVAILABLE:
            raise
        except Exception as error:
            if len(new_jobs) == 1:
                raise
            raise _CommitAlone from error
