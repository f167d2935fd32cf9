"""Whether the message of a dispatched run is taken for lost.

It is if a run that was dispatched later to its queue is running, or if the queue has no ready message. Only then the
message is sent again: a long queue alone must not double its own messages.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from duebook_common.domain.run.state import Run
from duebook_common.store.database import Connection
from duebook_scheduler.work_queues import WorkQueues

_NEWEST_RUNNING = """
SELECT queue, max(dispatched_at) AS dispatched_at FROM runs
WHERE wake_at IS NOT NULL AND status = 'running' AND queue = ANY($1) GROUP BY queue
"""


class LostMessageDetector:
    """Compares dispatched runs with what the database and RabbitMQ know. `margin` allows for messages out of order."""

    def __init__(self, work_queues: WorkQueues, margin: timedelta) -> None:
        self._work_queues, self._margin = work_queues, margin

    async def lost(self, db: Connection, runs: Sequence[Run]) -> set[UUID]:
        """The runs whose message is taken for lost; none while RabbitMQ is unavailable."""
        queues = {run.queue for run in runs}
        if not queues or not self._work_queues.connected:
            return set()
        newest_running = {r["queue"]: r["dispatched_at"] for r in await db.fetch(_NEWEST_RUNNING, list(queues))}
        empty = {queue for queue, ready in (await self._work_queues.ready_messages(queues)).items() if ready == 0}
        return {run.id for run in runs if run.queue in empty or self._overtaken(run, newest_running)}

    def _overtaken(self, run: Run, newest_running: dict[str, datetime]) -> bool:
        newest = newest_running.get(run.queue)
        return newest is not None and run.dispatched_at is not None and newest > run.dispatched_at + self._margin
