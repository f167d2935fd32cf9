"""Which waiting runs may start: in order of creation, one at a time per job, within the limits of concurrency keys."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import QUEUE_PAUSED, Run, RunStatus


class ConcurrencySlots:
    """The slots of concurrency keys. `holders` counts the runs that hold each key, and only knows locked keys."""

    def __init__(self, holders: Mapping[str, int]) -> None:
        self._holders = Counter(holders)

    def take(self, run: Run) -> bool:
        """Take a slot of the run's key, if it has one; False if none is free, or the key is not locked."""
        if run.concurrency is None:
            return True
        key = run.concurrency.key
        if key not in self._holders or self._holders[key] >= run.concurrency.limit:
            return False
        self._holders[key] += 1
        return True


def admission_order(run: Run) -> tuple[bool, datetime, datetime, UUID]:
    """The order of admission: by creation, but backfills after all others."""
    return run.trigger is Trigger.BACKFILL, run.created_at, run.nominal_at, run.id


def waiting_in_order(active: Iterable[Run]) -> list[Run]:
    return sorted((run for run in active if run.status is RunStatus.WAITING), key=admission_order)


def runs_to_await(active: Iterable[Run]) -> list[Run]:
    """Of a job's active runs those whose end must wake another: all that are admitted, if any waits for them."""
    runs = list(active)
    waits = any(run.status is RunStatus.WAITING and _waits_for_runs(run) for run in runs)
    return [run for run in runs if run.admitted] if waits else []


def frees_slot(run: Run) -> bool:
    """Whether a run that got events may let others start: it ended, or was stopped and gave back its key's slot."""
    stopped = run.held or run.reason == QUEUE_PAUSED
    return not run.active or (stopped and run.concurrency is not None and run.status is RunStatus.WAITING)


def slots_by_run(due: Iterable[Run], slots: ConcurrencySlots, now: datetime) -> frozenset[UUID]:
    """The runs, of any job, that do not wait for runs of their job and get a slot of their concurrency key, if any.

    `due` are runs whose task an executor of their queue has.
    """
    for_key = [run for run in sorted(due, key=admission_order) if _is_due(run, now) and not _waits_for_runs(run)]
    return frozenset(run.id for run in for_key if slots.take(run))


def free_runs(
    active: Sequence[Run],
    with_slot: Container[UUID],
    slots: ConcurrencySlots,
    now: datetime,
    may_start: Callable[[Run], bool],
) -> frozenset[UUID]:
    """The runs of one job that may start, given its active runs.

    These are the runs `with_slot`, and the first waiting run if it waited for other runs of the job, none of them is
    admitted, it `may_start` by its task and queue, and its key, if it has one, has a free slot.
    """
    waiting = waiting_in_order(active)
    free = {run.id for run in waiting if run.id in with_slot}
    if waiting and not any(run.admitted for run in active):
        first = waiting[0]
        if _waits_for_runs(first) and _is_due(first, now) and may_start(first) and slots.take(first):
            free.add(first.id)
    return frozenset(free)


def _is_due(run: Run, now: datetime) -> bool:
    return not run.held and run.due_at <= now and (run.not_before is None or run.not_before <= now)


def _waits_for_runs(run: Run) -> bool:
    return run.reason == "overlap"
