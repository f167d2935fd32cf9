"""The six overlap policies: what happens to a new run, and to the runs that block it."""

from dataclasses import replace
from uuid import UUID

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.overlap import ActiveRuns, OverlapDecision, apply_overlap
from duebook_common.domain.run.events import RunCancelled, RunCancelRequested, RunEvent, RunFact, RunSkipped, Trigger
from duebook_common.domain.run.state import Run, RunStatus
from support.samples import NOW, a_dispatch, a_run

REASON = "another run"


def blocking(status: RunStatus, n: int = 1) -> Run:
    return replace(a_run(), id=UUID(int=n), status=status, attempt=int(status is RunStatus.RUNNING))


def events(overlap: Overlap, *runs: Run) -> tuple[OverlapDecision, list[RunEvent]]:
    decision, facts = apply_overlap(overlap, runs, NOW, REASON)
    return decision, [fact.event for fact in facts]


@pytest.mark.parametrize("overlap", list(Overlap))
def test_without_a_blocking_run_every_policy_starts(overlap: Overlap) -> None:
    assert events(overlap) == (OverlapDecision.START, [])


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.DISPATCHED, RunStatus.RETRYING, RunStatus.WAITING])
def test_every_active_run_blocks(status: RunStatus) -> None:
    assert events(Overlap.SKIP, blocking(status)) == (OverlapDecision.SKIP, [])
    assert events(Overlap.BUFFER_ALL, blocking(status)) == (OverlapDecision.WAIT, [])
    assert events(Overlap.ALLOW_ALL, blocking(status)) == (OverlapDecision.START, [])


def test_buffer_one_lets_one_run_wait_and_skips_the_next() -> None:
    running, waiting = blocking(RunStatus.RUNNING), blocking(RunStatus.WAITING, 2)
    assert events(Overlap.BUFFER_ONE, running) == (OverlapDecision.WAIT, [])
    assert events(Overlap.BUFFER_ONE, running, waiting) == (OverlapDecision.SKIP, [])


def test_cancel_other_waits_for_a_running_run_and_ends_others_at_once() -> None:
    decision, caused = events(Overlap.CANCEL_OTHER, blocking(RunStatus.RUNNING), blocking(RunStatus.WAITING, 2))
    assert decision is OverlapDecision.WAIT
    assert caused == [
        RunCancelRequested(reason=REASON, at=NOW),
        RunCancelled(attempt=None, reason=REASON, at=NOW),
    ]
    assert events(Overlap.CANCEL_OTHER, blocking(RunStatus.RETRYING))[0] is OverlapDecision.START


def test_a_run_whose_cancel_is_requested_already_is_waited_for() -> None:
    requested = replace(blocking(RunStatus.RUNNING), cancel_requested=True)
    assert events(Overlap.CANCEL_OTHER, requested) == (OverlapDecision.WAIT, [])


def test_terminate_other_ends_every_run_at_once() -> None:
    decision, caused = events(Overlap.TERMINATE_OTHER, blocking(RunStatus.RUNNING), blocking(RunStatus.DISPATCHED, 2))
    assert decision is OverlapDecision.START
    assert caused == [
        RunCancelled(attempt=1, reason=REASON, at=NOW),
        RunCancelled(attempt=None, reason=REASON, at=NOW),
    ]


def test_the_active_runs_change_in_the_course_of_a_decision() -> None:
    first, second = blocking(RunStatus.RUNNING), UUID(int=2)
    active = ActiveRuns([first])
    active.apply([RunFact(second, a_dispatch())])
    assert {run.id for run in active.blocking(Trigger.SCHEDULE)} == {first.id, second}
    active.apply([RunFact(first.id, RunCancelled(attempt=1, reason=None, at=NOW))])
    assert [run.id for run in active.blocking(Trigger.SCHEDULE)] == [second]
    identity = {name: getattr(a_dispatch(), name) for name in RunSkipped.__dataclass_fields__ if name != "reason"}
    active.apply([RunFact(UUID(int=3), RunSkipped(**identity, reason="overlap"))])
    assert active.count == 1
