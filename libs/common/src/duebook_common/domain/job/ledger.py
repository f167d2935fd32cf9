"""The ledger: which nominal times of a job were expected, and what is recorded of each.

What was expected is derived from the job's schedule history; what happened is read from runs and skips. Neither is
derived from the other, so that a time without a record shows up as `unaccounted`.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.job.schedule_history import EARLIEST, DefinitionVersion, SchedulePeriod
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.ids import run_id_at, run_id_of_backfill
from duebook_common.domain.run.state import RunStatus

DUE, UNACCOUNTED = "due", "unaccounted"


class RunOutcome(NamedTuple):
    """The part of a recorded run that the ledger shows. `archived` is the period whose archive has its events."""

    status: str
    reason: str | None
    archived: str | None = None
    attempt: int = 0
    trigger: str = Trigger.SCHEDULE


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One nominal time, with the definition in force at it.

    `outcome` is the status of its run, `skipped` if it lies in a range of skips, `due`, or `unaccounted`. `archived` is
    the period whose archive has the events of its run, None while the database has them. `attempt` and `trigger` are
    those of its run.
    """

    nominal_at: datetime
    version: DefinitionVersion
    outcome: str
    run_id: UUID | None = None
    reason: str | None = None
    archived: str | None = None
    attempt: int = 0
    trigger: str = Trigger.SCHEDULE

    @property
    def was_retried(self) -> bool:
        """Whether its run succeeded, but not at its first attempt."""
        return self.outcome == RunStatus.SUCCEEDED and self.attempt > 1

    @property
    def was_caught_up(self) -> bool:
        """Whether it was missed, and a later run made up for it."""
        return self.trigger in {Trigger.CATCH_UP, Trigger.BACKFILL} and self.outcome != RunStatus.SKIPPED


class Totals(NamedTuple):
    """`expected` is the sum of the others."""

    expected: int
    recorded: int
    due: int
    unaccounted: int


def expected(history: Iterable[SchedulePeriod], first: datetime, last: datetime) -> int:
    """The number of nominal times expected from `first` to `last`, both included; one expected twice counts twice."""
    return sum(period.count(first, last) for period in history)


def entries(job: Job, history: Iterable[SchedulePeriod], first: datetime, last: datetime) -> list[LedgerEntry]:
    """The nominal times from `first` to `last`, in order, with what the job's own stream records of them.

    A time that the scheduler has yet to decide (from `job.next_at` on) is due, or skipped if the job is paused.
    """
    by_time: dict[datetime, LedgerEntry] = {}
    for period in history:
        skipped = SkippedRanges(period, first, last)
        for time in period.times(first, last):
            undecided = period.until is None and job.next_at is not None and time >= job.next_at
            outcome, reason = _undecided(job) if undecided else skipped.outcome(time)
            by_time[time] = LedgerEntry(time, period.version_at(time), outcome, None, reason)
    return [by_time[time] for time in sorted(by_time)]


def _undecided(job: Job) -> tuple[str, str | None]:
    return (RunStatus.SKIPPED, "paused") if job.status is JobStatus.PAUSED else (DUE, None)


class SkippedRanges:
    """The skipped ranges of a period that overlap the time from `first` to `last`."""

    def __init__(self, period: SchedulePeriod, first: datetime, last: datetime) -> None:
        self._skips = [skip for skip in period.skips if skip.last >= first and skip.first <= last]
        self._firsts = [skip.first for skip in self._skips]
        self._lasts = [last_counted(period, skip) for skip in self._skips]

    def outcome(self, time: datetime) -> tuple[str, str | None]:
        n = bisect_right(self._firsts, time) - 1
        if n >= 0 and time <= self._lasts[n]:
            return RunStatus.SKIPPED, self._skips[n].reason
        return UNACCOUNTED, None


def last_counted(period: SchedulePeriod, skip: OccurrencesSkipped) -> datetime:
    """The last time that a skip accounts for. If its range holds more times than its count, the surplus is not."""
    if period.count(skip.first, skip.last) <= skip.count:
        return skip.last
    return max(islice(period.times(skip.first, skip.last), skip.count), default=EARLIEST)


def run_ids(job_id: UUID, ledger: Iterable[LedgerEntry]) -> list[tuple[UUID, UUID]]:
    """The possible runs of each time: its own run, and its backfill."""
    return [(run_id_at(job_id, entry.nominal_at), run_id_of_backfill(job_id, entry.nominal_at)) for entry in ledger]


def with_runs(
    ledger: Iterable[LedgerEntry], ids: Iterable[tuple[UUID, UUID]], runs: Mapping[UUID, RunOutcome]
) -> list[LedgerEntry]:
    """The entries with their recorded runs. For a backfilled time `reason` says why it had not run by itself."""
    return [_with_run(entry, own, backfill, runs) for entry, (own, backfill) in zip(ledger, ids, strict=True)]


def _with_run(entry: LedgerEntry, own: UUID, backfill: UUID, runs: Mapping[UUID, RunOutcome]) -> LedgerEntry:
    if (run := runs.get(own)) is not None:
        entry = replace(_with_outcome(entry, own, run), reason=run.reason)
        if run.status != RunStatus.SKIPPED:
            return entry
    run = runs.get(backfill)
    return entry if run is None else _with_outcome(entry, backfill, run)


def _with_outcome(entry: LedgerEntry, run_id: UUID, run: RunOutcome) -> LedgerEntry:
    return replace(
        entry, outcome=run.status, run_id=run_id, archived=run.archived, attempt=run.attempt, trigger=run.trigger
    )


def totals(ledger: Sequence[LedgerEntry]) -> Totals:
    due = sum(entry.outcome == DUE for entry in ledger)
    unaccounted = sum(entry.outcome == UNACCOUNTED for entry in ledger)
    return Totals(len(ledger), len(ledger) - due - unaccounted, due, unaccounted)
