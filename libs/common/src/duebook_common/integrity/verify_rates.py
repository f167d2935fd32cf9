"""Invariant 2 for rates: in no span of time more attempts start with a key than the rate of the last one allows.

Checked by the log alone, at the times that the database has recorded: a start counts in its rate at that time.
"""

from datetime import datetime, timedelta

from duebook_common.domain.definition import Rate
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verified import EVER
from duebook_common.store.database import Connection

_STARTS_BY_KEY = """
SELECT runs.rate_key, runs.rate_limit, runs.rate_per, e.stream, e.recorded_at
FROM runs JOIN events e ON e.stream = 'run-' || runs.run_id AND e.born = runs.born
WHERE runs.rate_key IS NOT NULL AND e.type = 'AttemptStarted' AND e.recorded_at > $1
ORDER BY runs.rate_key, e.xid, e.position
"""
_MOST_KEPT = 200_000
_LONGEST_SPAN = timedelta(days=1)  # of a rate


async def check_rates(db: Connection, recorded_after: datetime = EVER) -> list[Breach]:
    """The attempts that started after that time although their key had as many starts as their rate allows."""
    breaches, key, starts = list[Breach](), None, LatestStarts()
    async for record in db.cursor(_STARTS_BY_KEY, recorded_after - _LONGEST_SPAN, prefetch=2000):
        if record["rate_key"] != key:
            key, starts = record["rate_key"], LatestStarts()
        rate = Rate(record["rate_key"], record["rate_limit"], record["rate_per"])
        if starts.exceeds(rate, record["recorded_at"]):
            says = f"starts within {rate.per} of {rate.limit} others with the key {rate.key!r}, which allows no more"
            breaches.append(Breach(Invariant.LIMITS, record["stream"], says))
    return breaches


class LatestStarts:
    """The latest starts of one key, in the order of the log."""

    def __init__(self) -> None:
        self._times: list[datetime] = []

    def exceeds(self, rate: Rate, at: datetime) -> bool:
        """Add a start; whether it comes too early by its rate. A clock that was set back begins a new count."""
        if self._times and at < self._times[-1]:
            self._times.clear()
        too_early = len(self._times) >= rate.limit and at - self._times[-rate.limit] < rate.per
        self._times.append(at)
        if len(self._times) > _MOST_KEPT:
            del self._times[: _MOST_KEPT // 2]
        return too_early
