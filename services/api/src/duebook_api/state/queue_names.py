"""The names of work queues that jobs may have: those in use, and new ones as long as there are not too many."""

import time
from collections.abc import Mapping

from duebook_api.http.problems import Fault, Problem
from duebook_common.store.database import Pool, acquire, transaction
from duebook_common.store.queues import known_queues, register_queues

_SECONDS = 30.0


class QueueNames:
    """Remembers for half a minute which queues are known, so that most requests need no query. `limit` is of all."""

    def __init__(self, limit: int = 200) -> None:
        self._limit = limit
        self._known: set[str] = set()
        self._good_until = 0.0

    async def admit(self, pool: Pool, wanted: Mapping[str, str]) -> None:
        """Add new queues to those in use; raises Problem 409 if there would be too many.

        `wanted` has a JSON pointer for each name.
        """
        if time.monotonic() < self._good_until and wanted.keys() <= self._known:
            return
        async with transaction(pool) as db:
            self._known = await register_queues(db, wanted, self._limit)
        self._good_until = time.monotonic() + _SECONDS
        if new := [name for name in wanted if name not in self._known]:
            raise self._too_many(new, wanted)

    async def must_admit(self, pool: Pool, wanted: Mapping[str, str]) -> None:
        """Raises Problem 409 as `admit` would; adds nothing."""
        async with acquire(pool) as db:
            known = await known_queues(db)
        new = [name for name in wanted if name not in known]
        if new and len(known) + len(new) > self._limit:
            self._known = known
            raise self._too_many(new, wanted)

    def _too_many(self, new: list[str], wanted: Mapping[str, str]) -> Problem:
        detail = (
            f"there are {len(self._known)} work queues, and DUEBOOK_MAX_QUEUES allows {self._limit}: "
            f"{_named(new)} cannot be added; use a queue that exists, or have the limit raised"
        )
        faults = [Fault(wanted[name], "this would be one work queue too many") for name in new[:100]]
        return Problem(409, "too_many_queues", detail, faults)


def _named(names: list[str]) -> str:
    return repr(names[0]) if len(names) == 1 else f"{names[0]!r} and {len(names) - 1:,} more"
