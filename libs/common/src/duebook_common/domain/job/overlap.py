"""The overlap policies: whether a new run starts, waits or is skipped while other runs of its job are active.

The six policies have the meanings of Temporal's schedules (docs.temporal.io, "Schedule: overlap policy").
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from duebook_common.domain.definition import Overlap
from duebook_common.domain.run.commands import CancelRun, TerminateRun
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.events import FirstEvent, RunFact, RunSkipped, Trigger
from duebook_common.domain.run.evolve import evolve, opened
from duebook_common.domain.run.state import Run, RunStatus


class OverlapDecision(StrEnum):
    START = "start"
    WAIT = "wait"
    WAIT_FOR_CAUGHT_UP = "wait for caught-up runs"  # which alone hold it back, whatever the policy
    SKIP = "skip"


class ActiveRuns:
    """A job's active runs in the course of one decision."""

    def __init__(self, active: Iterable[Run]) -> None:
        self._runs: dict[UUID, Run] = {run.id: run for run in active}

    @property
    def all(self) -> list[Run]:
        return [*self._runs.values()]

    @property
    def count(self) -> int:
        return len(self._runs)

    def count_after(self, facts: Iterable[RunFact]) -> int:
        """How many runs are active after events of these runs."""
        after = {fact.run_id: evolve(self._runs[fact.run_id], fact.event) for fact in facts}
        return self.count - sum(not run.active for run in after.values())

    def blocking(self, trigger: Trigger) -> list[Run]:
        """The runs that a new run overlaps with. A backfill that has not started only blocks other backfills."""
        return [run for run in self._runs.values() if trigger is Trigger.BACKFILL or not _is_waiting_backfill(run)]

    @property
    def backlog(self) -> list[Run]:
        """The caught-up runs, those that a pause kept back, and those that wait or waited behind them."""
        return [
            run
            for run in self._runs.values()
            if run.trigger is Trigger.CATCH_UP or run.backlog or run.in_backlog_since is not None
        ]

    @property
    def resumed_at(self) -> datetime | None:
        """When the pause ended whose backlog the runs belong to; None if there is none."""
        return max((run.in_backlog_since for run in self.all if run.in_backlog_since is not None), default=None)

    def apply(self, facts: Iterable[RunFact]) -> None:
        """Add the runs that the facts open, and remove those that they end."""
        for fact in facts:
            if not isinstance(fact.event, FirstEvent):
                run = evolve(self._runs[fact.run_id], fact.event)
            elif not isinstance(fact.event, RunSkipped):
                run = opened(fact.run_id, fact.event)
            else:
                continue
            self._runs[run.id] = run
            if not run.active:
                del self._runs[run.id]


def _is_waiting_backfill(run: Run) -> bool:
    return run.trigger is Trigger.BACKFILL and not run.admitted


def apply_overlap(
    overlap: Overlap, blocking: Sequence[Run], now: datetime, reason: str
) -> tuple[OverlapDecision, list[RunFact]]:
    """The decision about a new run, and the events that the policy causes in the blocking runs, for `reason`."""
    if not blocking or overlap is Overlap.ALLOW_ALL:
        return OverlapDecision.START, []
    match overlap:
        case Overlap.SKIP:
            return OverlapDecision.SKIP, []
        case Overlap.BUFFER_ONE:
            one_waits = any(not run.admitted for run in blocking)
            return OverlapDecision.SKIP if one_waits else OverlapDecision.WAIT, []
        case Overlap.BUFFER_ALL:
            return OverlapDecision.WAIT, []
        case Overlap.CANCEL_OTHER:
            running = any(run.status is RunStatus.RUNNING for run in blocking)
            return OverlapDecision.WAIT if running else OverlapDecision.START, [
                RunFact(run.id, event) for run in blocking for event in decide(run, CancelRun(reason, now))
            ]
        case Overlap.TERMINATE_OTHER:
            return OverlapDecision.START, [
                RunFact(run.id, event) for run in blocking for event in decide(run, TerminateRun(reason, now))
            ]
