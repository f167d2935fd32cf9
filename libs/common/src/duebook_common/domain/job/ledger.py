"""The ledger: what was expected of a job, nominal time by nominal time, and what is recorded of each.

What was expected comes from the job's history (`stretches`); what happened, from what was recorded. Neither is
derived from the other, so a time of which nothing is recorded stands out.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.job.schedule_history import EVER, DefinitionVersion, SchedulePeriod
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import run_id_at, run_id_of_backfill
from duebook_common.domain.run.state import RunStatus

DUE, UNACCOUNTED = "due", "unaccounted"


class RunOutcome(NamedTuple):
    """A recorded run, as far as the ledger tells of it."""

    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One nominal time, with the definition in force when it came.

    `outcome` is its run's status, `skipped` where it stands in a range of skips, `due`, or `unaccounted`.
    """

    nominal_at: datetime
    version: DefinitionVersion
    outcome: str
    run_id: UUID | None = None
    reason: str | None = None


class Totals(NamedTuple):
    """`expected` is the sum of the others."""

    expected: int
    recorded: int
    due: int
    unaccounted: int


def expected(history: Iterable[SchedulePeriod], first: datetime, last: datetime) -> int:
    """How many nominal times were expected from `first` to `last`, both included; one expected twice counts twice."""
    return sum(stretch.count(first, last) for stretch in history)


def lines(job: Job, history: Iterable[SchedulePeriod], first: datetime, last: datetime) -> list[LedgerEntry]:
    """The nominal times from `first` to `last`, in order, with what the job's own stream records of them.

    What the scheduler has yet to decide (from `job.next_at` on) is due, or while the job is paused left out.
    """
    told: dict[datetime, LedgerEntry] = {}
    for stretch in history:
        left_out = _LeftOut(stretch, first, last)
        for time in stretch.times(first, last):
            ahead = stretch.until is None and job.next_at is not None and time >= job.next_at
            outcome, reason = _ahead(job) if ahead else left_out.outcome(time)
            told[time] = LedgerEntry(time, stretch.version_at(time), outcome, None, reason)
    return [told[time] for time in sorted(told)]


def _ahead(job: Job) -> tuple[str, str | None]:
    return (RunStatus.SKIPPED, "paused") if job.status is JobStatus.PAUSED else (DUE, None)


class _LeftOut:
    """The ranges that were skipped in a stretch, as far as they lie between `first` and `last`."""

    def __init__(self, stretch: SchedulePeriod, first: datetime, last: datetime) -> None:
        self._skips = [skip for skip in stretch.skips if skip.last >= first and skip.first <= last]
        self._firsts = [skip.first for skip in self._skips]
        self._lasts = [_proven(stretch, skip) for skip in self._skips]

    def outcome(self, time: datetime) -> tuple[str, str | None]:
        n = bisect_right(self._firsts, time) - 1
        if n >= 0 and time <= self._lasts[n]:
            return RunStatus.SKIPPED, self._skips[n].reason
        return UNACCOUNTED, None


def _proven(stretch: SchedulePeriod, skip: OccurrencesSkipped) -> datetime:
    """The last time that a skip accounts for: of more than it counted, the surplus is not."""
    if stretch.count(skip.first, skip.last) <= skip.count:
        return skip.last
    return max(islice(stretch.times(skip.first, skip.last), skip.count), default=EVER)


def run_ids(job_id: UUID, told: Iterable[LedgerEntry]) -> list[tuple[UUID, UUID]]:
    """The runs that may stand for each time: its own, and the one that makes up for it."""
    return [(run_id_at(job_id, line.nominal_at), run_id_of_backfill(job_id, line.nominal_at)) for line in told]


def with_runs(
    told: Iterable[LedgerEntry], ids: Iterable[tuple[UUID, UUID]], found: Mapping[UUID, RunOutcome]
) -> list[LedgerEntry]:
    """The lines with the runs that were found. Where a time was made up for, `reason` says why that was needed."""
    return [_with_run(line, own, made_up, found) for line, (own, made_up) in zip(told, ids, strict=True)]


def _with_run(line: LedgerEntry, own: UUID, made_up: UUID, found: Mapping[UUID, RunOutcome]) -> LedgerEntry:
    if (run := found.get(own)) is not None:
        line = replace(line, outcome=run.status, run_id=own, reason=run.reason)
        if run.status != RunStatus.SKIPPED:
            return line
    run = found.get(made_up)
    return line if run is None else replace(line, outcome=run.status, run_id=made_up)


def totals(told: Sequence[LedgerEntry]) -> Totals:
    due = sum(line.outcome == DUE for line in told)
    unaccounted = sum(line.outcome == UNACCOUNTED for line in told)
    return Totals(len(told), len(told) - due - unaccounted, due, unaccounted)
