"""The loop that keeps the statistics: it counts what the log has gained, and deletes what is no longer kept."""

from datetime import datetime, timedelta

from duebook_common.domain.statistics import EPOCH
from duebook_common.store.database import Clock, Pool
from duebook_common.store.log_pulse import LogPulse
from duebook_common.store.statistics import StatisticsSubscriber, prune

_PRUNE_INTERVAL = timedelta(minutes=10)


class StatisticsKeeper:
    """Any number of schedulers may run it; one at a time counts."""

    def __init__(self, pool: Pool, clock: Clock, pulse: LogPulse) -> None:
        self._pool, self._clock = pool, clock
        self._subscriber, self._pruned_at = StatisticsSubscriber(pool, pulse), EPOCH

    async def step(self) -> int:
        """Count one batch. Returns its number of events if it was full, else 0."""
        now = self._clock.now()
        counted = await self._subscriber.step(now)
        if not counted:
            await self._prune(now)
        return counted

    async def _prune(self, now: datetime) -> None:
        if now - self._pruned_at >= _PRUNE_INTERVAL:
            await prune(self._pool, now)
            self._pruned_at = now
