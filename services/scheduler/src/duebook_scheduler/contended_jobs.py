"""Jobs whose lock is held at each try. They are decided beside the poll, when their turn for the lock comes.

The poll tries locks without waiting. Unrelated jobs share a lock (`store/locks.py`): a client that keeps one job busy
would keep the others of its slice from being dispatched.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from duebook_common.domain.job.commands import Dispatch
from duebook_common.store.job_plan import JobResult
from duebook_common.store.locks import slice_of

log = structlog.stdlib.get_logger("dispatch")

Results = list[JobResult[Dispatch]]
_CONTENDED_SECONDS = 0.2  # of failed tries


class ContendedJobs:
    """`decide` waits for the locks of some jobs and decides them; the next pass sends what came of it."""

    def __init__(self, decide: Callable[[Sequence[UUID]], Awaitable[Results]]) -> None:
        self._decide = decide
        self._missed_since: dict[UUID, float] = {}
        self._deciding: asyncio.Task[None] | None = None
        self._decided: Results = []

    @property
    def waiting(self) -> bool:
        """Whether jobs wait for their lock, or have been decided and not been taken."""
        return self._deciding is not None or bool(self._decided)

    def take(self) -> Results:
        """What was decided since the last call."""
        decided, self._decided = self._decided, []
        return decided

    def missed(self, job_ids: Collection[UUID]) -> None:
        """Note which due jobs were locked in this pass. One slice of those that waited long is decided at a time."""
        now = time.monotonic()
        self._missed_since = {job_id: self._missed_since.get(job_id, now) for job_id in job_ids}
        longest = min(self._missed_since, key=self._missed_since.__getitem__, default=None)
        if longest is None or self._deciding or now - self._missed_since[longest] < _CONTENDED_SECONDS:
            return
        same = [job_id for job_id in self._missed_since if slice_of(job_id) == slice_of(longest)]
        self._deciding = asyncio.create_task(self._decide_beside(same))

    async def _decide_beside(self, job_ids: Sequence[UUID]) -> None:
        try:
            decided = await self._decide(job_ids)
            self._decided += decided  # not before the await, which would read the list before it: take() replaces it
        except Exception as error:  # the jobs stay due, and the poll tells of a database that is away
            log.info("jobs whose lock is held stay due", jobs=len(job_ids), error=error)
        finally:
            self._deciding = None

    async def close(self) -> None:
        if self._deciding is not None:
            self._deciding.cancel()
            with suppress(asyncio.CancelledError):
                await self._deciding
