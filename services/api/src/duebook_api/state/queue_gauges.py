"""Gauges of what waits and runs in each queue: what an autoscaler of executors goes by."""

import time
from datetime import timedelta

import structlog
from asyncpg import QueryCanceledError

from duebook_api.state.dependencies import Dependencies
from duebook_api.state.kept_answer import kept_for
from duebook_api.state.queue_numbers import Numbers, QueueNumbers
from duebook_api.state.run_counts import RunCounts
from duebook_common.runtime.telemetry import DUE_RUNS, RUNNING_RUNS

log = structlog.stdlib.get_logger("queue_gauges")

_INTERVAL, _LONGEST = 15.0, 300.0  # seconds; counting the active runs reads all of them


class QueueGauges:
    """Refreshes the gauges from the numbers that the list of queues shows. A queue that is gone has none.

    Each api counts for itself, and the more runs are active the less often: that takes a twentieth of the time at most.
    """

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        # Counts of its own: a client that reads the list right after a change must not get those of the last gauges.
        self._numbers = QueueNumbers(RunCounts(deps.changes), deps.changes)
        self._queues, self._took = {"default"}, 0.0

    def pause(self) -> timedelta:
        """Until the next refresh."""
        return timedelta(seconds=kept_for(self._took, _INTERVAL, _LONGEST))

    async def refresh(self) -> int:
        """Count once. After a count that was cancelled because it took too long the gauges stay as they are."""
        began = time.monotonic()
        try:
            numbers = await self._numbers.read(self._deps.pool, self._deps.clock)
        except QueryCanceledError as error:
            log.warning("the runs of queues were not counted, and the gauges stay as they are", error=error)
            return 0
        finally:
            self._took = time.monotonic() - began
        self._set(numbers)
        return 0

    def _set(self, numbers: Numbers) -> None:
        known = {"default", *numbers}
        for queue in self._queues - known:
            DUE_RUNS.remove(queue)
            RUNNING_RUNS.remove(queue)
        for queue in known:
            of = numbers.get(queue, {})
            DUE_RUNS.labels(queue).set(of.get("due", 0) + of.get("waiting", 0))
            RUNNING_RUNS.labels(queue).set(of.get("running", 0))
        self._queues = known
