"""A job's part in a forecast: which of its nominal times are still to come, as its definition stands or would stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import Job
from duebook_common.domain.schedule.due import occurrences
from duebook_common.domain.schedule.nominal import count_between, next_after, times_between
from duebook_common.domain.schedule.times import Times

INSTANT = timedelta(microseconds=1)
_NOT_MADE_YET = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long an attempt takes, in seconds."""

    mean: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`first` is the first nominal time still to come, None where there is none; `left` is what max_runs still grants.

    `job_id` is None for a job that would be created.
    """

    job_id: UUID | None
    definition: Definition
    first: datetime | None
    left: int | None = None

    @property
    def name(self) -> str:
        return self.definition.name


def plan_of(job: Job, first: datetime | None, *, new: bool = False) -> Plan:
    """The job's plan from its nominal time `first` on."""
    most = job.definition.max_runs
    left = None if most is None else max(0, most - job.runs)
    return Plan(job_id=None if new else job.id, definition=job.definition, first=first, left=left)


def times(plan: Plan, start: datetime, end: datetime) -> Iterator[Times]:
    """The nominal times in [start, end) that the job would run, in passages."""
    if plan.first is None:
        return
    left = plan.left
    if left is not None and plan.first < start:
        left -= count_between(plan.definition, plan.first, start - INSTANT)
    if left is not None and left <= 0:
        return
    for passage in times_between(plan.definition, max(start, plan.first), end - INSTANT):
        if left is not None and len(passage) >= left:
            yield passage.head(left)
            return
        yield passage
        left = None if left is None else left - len(passage)


def starts(plan: Plan, low: datetime, high: datetime) -> Iterator[datetime]:
    """When the runs of the nominal times in [low, high) are due: with jitter later."""
    if plan.definition.jitter is None:
        for passage in times_between(plan.definition, low, high - INSTANT):
            yield from passage
    elif (first := next_after(plan.definition, low - INSTANT)) is not None:
        found = occurrences(plan.job_id or _NOT_MADE_YET, plan.definition, first)
        yield from (each.due_at for each in takewhile(lambda each: each.nominal_at < high, found))
