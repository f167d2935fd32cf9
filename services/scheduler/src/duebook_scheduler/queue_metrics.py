"""The metrics that the scheduler has for each queue, shown as soon as it knows the queue."""

from collections.abc import Iterable
from functools import partial

from duebook_common.runtime.telemetry import DEAD_LETTERS, RETRIES, RUNS, show_at_zero
from duebook_common.store.database import Pool, acquire
from duebook_common.store.resilience import retry_while_unavailable
from duebook_scheduler.lanes import lanes

_shown: set[str] = set()  # as global as the metrics are


async def show_known_queues(pool: Pool) -> None:
    """Show every queue on which a job or a run waits; wait while PostgreSQL is unavailable."""
    show_queues(await retry_while_unavailable("reading queues", partial(_known_queues, pool)))


async def _known_queues(pool: Pool) -> list[str]:
    async with acquire(pool) as db:
        return [lane.queue for lane in [*await lanes(db, "jobs"), *await lanes(db, "runs")]]


def show_queues(queues: Iterable[str]) -> None:
    """Show each queue once; called at every poll."""
    new = {*queues} - _shown
    _shown.update(new)
    show_at_zero(RUNS, new, ("lost", "skipped"))
    show_at_zero(RETRIES, new)
    show_at_zero(DEAD_LETTERS, new)
