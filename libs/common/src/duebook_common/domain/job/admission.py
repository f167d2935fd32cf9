"""Which waiting runs may start: in order of creation, one at a time per job, within the limits of concurrency keys."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from duebook_common.domain.definition import Concurrency
from duebook_common.domain.job.rates import NO_RATES, InLine, RateLines, admission_order
from duebook_common.domain.run.state import QUEUE_PAUSED, Run, RunStatus


class WaitingRun(InLine, Protocol):
    """A run that waits for a slot of its concurrency key, for its rate, or for both."""

    @property
    def concurrency(self) -> Concurrency | None: ...


class Limits:
    """What limits the admission of runs beyond their own job: concurrency keys and rates."""

    def __init__(self, slots: "ConcurrencySlots", rates: RateLines = NO_RATES) -> None:
        self.slots, self.rates = slots, rates

    def take(self, run: WaitingRun) -> bool:
        """Take a slot of the run's concurrency key and a position in its line; neither if one of them is not free."""
        return self.slots.has_free(run) and self.rates.take(run) and self.slots.take(run)

    def time_in_line(self, run: Run) -> datetime | None:
        """When the run's rate lets it start (UTC); None if that is not what it waits for."""
        return self.rates.time_of(run) if self.slots.has_free(run) else None


class ConcurrencySlots:
    """The slots of concurrency keys. `holders` counts the runs that hold each key, and only knows locked keys."""

    def __init__(self, holders: Mapping[str, int]) -> None:
        self._holders = Counter(holders)

    def take(self, run: WaitingRun) -> bool:
        """Take a slot of the run's key, if it has one; False if none is free, or the key is not locked."""
        if not self.has_free(run):
            return False
        if run.concurrency is not None:
            self._holders[run.concurrency.key] += 1
        return True

    def has_free(self, run: WaitingRun) -> bool:
        """Whether the run needs no slot, or its key is locked and has a free one."""
        if run.concurrency is None:
            return True
        key = run.concurrency.key
        return key in self._holders and self._holders[key] < run.concurrency.limit


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
    limited = run.concurrency is not None or run.rate is not None
    return not run.active or (stopped and limited and run.status is RunStatus.WAITING)


def leaves_line(run: Run) -> bool:
    """Whether the run ended without the start for which it had a position in the line of its rate, or is held."""
    return run.held or run.status in {RunStatus.CANCELLED, RunStatus.SKIPPED}


def slots_by_run(
    due: Iterable[Run], limits: Limits, now: datetime, others: Iterable[WaitingRun] = ()
) -> frozenset[UUID]:
    """The runs, of any job, that get a slot of their key and may start by their rate, in the order of admission.

    `due` are runs whose task an executor of their queue has; those that wait for runs of their job are left out.
    `others` may start too: those that follow in their jobs, and those that are not decided on now, for which a slot is
    kept if it is their turn.
    """
    for_key = [run for run in due if _is_due(run, now) and not _waits_for_runs(run)]
    waiting: dict[UUID, WaitingRun] = {run.id: run for run in (*others, *for_key)}
    return frozenset(run.id for run in sorted(waiting.values(), key=admission_order) if limits.take(run))


def next_of_job(active: Sequence[Run], now: datetime, may_start: Callable[[Run], bool]) -> Run | None:
    """The first waiting run of a job, given its active runs, if it waited for others and none of them is admitted.

    None if it is not due, or may not start by its task and queue.
    """
    waiting = waiting_in_order(active)
    if not waiting or any(run.admitted for run in active):
        return None
    first = waiting[0]
    return first if _waits_for_runs(first) and _is_due(first, now) and may_start(first) else None


def _is_due(run: Run, now: datetime) -> bool:
    return not run.held and run.due_at <= now and (run.not_before is None or run.not_before <= now)


def _waits_for_runs(run: Run) -> bool:
    return run.reason == "overlap"
