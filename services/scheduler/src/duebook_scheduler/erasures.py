"""The loop that erases the contents of the runs of erased jobs."""

from duebook_common.store.database import Clock, Pool
from duebook_common.store.erasure import erase_runs_of_a_job


class Erasures:
    """Any number of schedulers may run it; each job is worked off by one at a time."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    async def step(self) -> int:
        """Erase the contents of the runs of one job. Returns 0 if no job is due."""
        return await erase_runs_of_a_job(self._pool, self._clock.now())
