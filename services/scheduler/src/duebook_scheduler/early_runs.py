"""Runs that were decided long ahead: their messages wait here, so that they take no slot of an executor meanwhile.

Those of short tasks are sent at once, as many as their executors hold without a slot: each records its start before its
instant too. A run with a `start_within` would be held with a slot, so it waits here. After a crash they are sent like
any message that was lost: three seconds after their instant.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from duebook_common.domain.run.ahead import KEPT_UNTIL
from duebook_common.domain.run.state import Run
from duebook_common.store.executors import QueueTask

_FOR_EACH_SLOT = 100  # runs of short tasks that are sent early; an executor holds as many


class EarlyRuns:
    """Keeps runs until shortly before their instants: until `KEPT_UNTIL` before, or `ahead` if that is longer."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = max(ahead, KEPT_UNTIL)
        self._kept: dict[datetime, list[Run]] = {}
        self._sent: dict[datetime, Counter[str]] = {}  # early, by their instant and queue

    @property
    def next_at(self) -> datetime | None:
        """When the next of them is to be sent (UTC); None if there are none."""
        return min(self._kept, default=None)

    def far(self, runs: Iterable[Run], now: datetime) -> set[QueueTask]:
        """The queues and tasks of those of the runs whose instant lies far ahead."""
        return {(run.queue, run.task) for run in runs if run.created_at - self._ahead > now}

    def keep(self, runs: Iterable[Run], now: datetime, slots: Mapping[QueueTask, float]) -> list[Run]:
        """Keep those of the runs whose instant lies far ahead; returns the others, which are to be sent now.

        `slots` has the short tasks, and this scheduler's share of the slots that their executors have for the queue.
        """
        self._sent = {instant: sent for instant, sent in self._sent.items() if instant > now}
        under_way = sum(self._sent.values(), Counter[str]())
        soon: list[Run] = []
        for run in runs:
            send_at, may_be_sent = run.created_at - self._ahead, 0
            if run.start_by is None:
                may_be_sent = int(slots.get((run.queue, run.task), 0) * _FOR_EACH_SLOT)
            if send_at > now and under_way[run.queue] >= may_be_sent:
                self._kept.setdefault(send_at, []).append(run)
                continue
            if send_at > now:
                under_way[run.queue] += 1
                self._sent.setdefault(run.created_at, Counter())[run.queue] += 1
            soon.append(run)
        return soon

    def take(self, now: datetime | None = None) -> list[Run]:
        """The runs that are to be sent now, without `now` all."""
        times = [time for time in self._kept if now is None or time <= now]
        return [run for time in sorted(times) for run in self._kept.pop(time)]
