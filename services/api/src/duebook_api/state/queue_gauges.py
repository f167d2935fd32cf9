"""Gauges of what waits and runs in each queue: what an autoscaler of executors goes by."""

from duebook_api.state.changes import Changes
from duebook_api.state.count_pace import CountPace
from duebook_api.state.dependencies import Dependencies
from duebook_api.state.queue_numbers import Numbers, QueueNumbers
from duebook_api.state.run_counts import RunCounts
from duebook_common.runtime.telemetry import DUE_RUNS, RUNNING_RUNS

_INTERVAL = 15  # seconds: counting the active runs reads all of them


class QueueGauges:
    """Refreshes the gauges from the numbers that the list of queues shows. A queue that is gone has none."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        # Counts of its own: a client that reads the list right after a change must not get those of the last gauges.
        # And changes of its own, which nothing follows: no page is to be refreshed because a gauge is out of date.
        unwatched = Changes()
        self._numbers = QueueNumbers(RunCounts(unwatched), unwatched)
        self._queues = {"default"}
        self.pace = CountPace("queue gauges", _INTERVAL)

    async def refresh(self) -> int:
        with self.pace.count():
            self._set(await self._numbers.read(self._deps.pool, self._deps.clock))
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
