"""What an occurrence that falls due finds: other active runs of its job, and the policy that says who makes way.

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
from duebook_common.domain.run.state import Run, RunStatus, evolve, opened


class OverlapDecision(StrEnum):
    """What becomes of the new run."""

    START = "start"
    WAIT = "wait"
    LEAVE_OUT = "leave out"


class ActiveRuns:
    """A job's active runs, as they stand in the course of one decision."""

    def __init__(self, active: Iterable[Run]) -> None:
        self._runs: dict[UUID, Run] = {run.id: run for run in active}

    @property
    def count(self) -> int:
        return len(self._runs)

    def in_the_way(self, trigger: Trigger) -> list[Run]:
        """Those that count for a new run: a backfill that has not started stands in nobody's way but a backfill's."""
        return [run for run in self._runs.values() if trigger is Trigger.BACKFILL or not _later(run)]

    def follow(self, facts: Iterable[RunFact]) -> None:
        """Remember what was decided of runs."""
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


def _later(run: Run) -> bool:
    return run.trigger is Trigger.BACKFILL and run.status is RunStatus.WAITING


def apply_overlap(
    overlap: Overlap, others: Sequence[Run], now: datetime, why: str
) -> tuple[OverlapDecision, list[RunFact]]:
    """Where the new run stands beside `others`, and what happens to them first, for the reason `why`."""
    if not others or overlap is Overlap.ALLOW_ALL:
        return OverlapDecision.START, []
    match overlap:
        case Overlap.SKIP:
            return OverlapDecision.LEAVE_OUT, []
        case Overlap.BUFFER_ONE:
            waits = any(run.status is RunStatus.WAITING for run in others)
            return OverlapDecision.LEAVE_OUT if waits else OverlapDecision.WAIT, []
        case Overlap.BUFFER_ALL:
            return OverlapDecision.WAIT, []
        case Overlap.CANCEL_OTHER:
            facts = [RunFact(run.id, event) for run in others for event in decide(run, CancelRun(why, now))]
            busy = any(run.status is RunStatus.RUNNING for run in others)
            return OverlapDecision.WAIT if busy else OverlapDecision.START, facts
        case Overlap.TERMINATE_OTHER:
            return OverlapDecision.START, [
                RunFact(run.id, event) for run in others for event in decide(run, TerminateRun(why, now))
            ]
