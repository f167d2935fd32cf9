"""Runs that were decided long ahead: their messages wait here, so that they take no slot of an executor meanwhile.

After a crash they are sent like any message that was lost: three seconds after their instant.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from duebook_common.domain.run.state import Run

_LEAST_AHEAD = timedelta(milliseconds=400)


class EarlyRuns:
    """Keeps runs until shortly before their instants: until 0.4 s before, or `ahead` if that is longer."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = max(ahead, _LEAST_AHEAD)
        self._kept: dict[datetime, list[Run]] = {}

    @property
    def next_at(self) -> datetime | None:
        """When the next of them is to be sent (UTC); None if there are none."""
        return min(self._kept, default=None)

    def keep(self, runs: Iterable[Run], now: datetime) -> list[Run]:
        """Keep those of the runs whose instant lies far ahead; returns the others, which are to be sent now."""
        soon: list[Run] = []
        for run in runs:
            send_at = run.created_at - self._ahead
            (soon if send_at <= now else self._kept.setdefault(send_at, [])).append(run)
        return soon

    def take(self, now: datetime | None = None) -> list[Run]:
        """The runs that are to be sent now, without `now` all."""
        times = [time for time in self._kept if now is None or time <= now]
        return [run for time in sorted(times) for run in self._kept.pop(time)]
