"""Which due occurrences are missed, and which ones were kept back by a pause of their queue.

What falls due while a queue is paused is never missed: it stays due until the resume, and is then worked off in order.
What was already missed when the pause began stays missed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from duebook_common.domain.job.commands import DecisionContext
from duebook_common.domain.job.overlap import ActiveRuns
from duebook_common.domain.job.state import Job

_INSTANT = timedelta(microseconds=1)
_NEVER = datetime.max.replace(tzinfo=UTC)


class _Kept(NamedTuple):
    """What was due from `start` to `end` was kept back by a pause, or by its backlog, which began at `resumed_at`."""

    start: datetime
    end: datetime
    resumed_at: datetime


@dataclass(frozen=True, slots=True)
class Lateness:
    """Before `missed_before` a due occurrence is missed, unless it was `kept` back."""

    missed_before: datetime
    kept: Sequence[_Kept] = ()

    def is_missed(self, due_at: datetime) -> bool:
        return due_at < self.missed_before and self.resumed_at(due_at) is None

    def resumed_at(self, due_at: datetime) -> datetime | None:
        """When the backlog began of the pause that kept back what was due then; None if none did."""
        return max((each.resumed_at for each in self.kept if each.start <= due_at < each.end), default=None)

    @property
    def all_missed_before(self) -> datetime:
        """Everything due before it is missed."""
        return min([self.missed_before, *(each.start for each in self.kept)])


def lateness(job: Job, others: ActiveRuns, context: DecisionContext, most_active: int) -> Lateness:
    """How late the job's due occurrences may be. `others` are its active runs; with `most_active` a backlog waits."""
    missed_before, first = context.now - context.misfire, job.wake_at or context.now
    began = min((run.in_backlog_since for run in others.all if run.in_backlog_since is not None), default=None)
    began = began or job.backlog_since
    if not context.pauses and began is None:
        return Lateness(missed_before)
    kept = [each for each in _kept_by_pauses(job, context, goes_on=began is not None) if each.end > first]
    if began is not None and _works_off(job, others, most_active):
        kept.append(_Kept(began - context.misfire, missed_before, others.resumed_at or began))
    return Lateness(missed_before, kept)


def _works_off(job: Job, others: ActiveRuns, most_active: int) -> bool:
    """Whether what falls due is late only because of a pause.

    Its runs are active, or its backlog fills the limit of active runs, or did so at the last decision.
    """
    fills_limit = job.backlog_since is not None or others.count > most_active // 2
    return fills_limit or any(run.fell_into_pause for run in others.all)


def _kept_by_pauses(job: Job, context: DecisionContext, *, goes_on: bool) -> Iterator[_Kept]:
    """What was due within `misfire` before a pause, or before the job was created, was not missed by then.

    The backlog begins with the resume. If no scheduler ran then, it begins now, unless it `goes_on`: what fell due
    meanwhile was missed.
    """
    for pause in context.pauses:
        start, now = max(pause.since, job.created_at) - context.misfire, context.now
        if pause.until is None:
            yield _Kept(start, _NEVER, now + _INSTANT)
        else:
            began = pause.until if goes_on or now - pause.until <= context.misfire else now
            yield _Kept(start, pause.until, began)
