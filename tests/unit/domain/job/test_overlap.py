"""Who makes way for whom: the six overlap policies."""

from dataclasses import replace
from uuid import UUID

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.overlap import ActiveRuns, OverlapDecision, apply_overlap
from duebook_common.domain.run.events import RunCancelled, RunCancelRequested, RunEvent, RunFact, RunSkipped, Trigger
from duebook_common.domain.run.state import Run, RunStatus
from support.samples import NOW, a_dispatch, a_run

WHY = "made way"


def beside(status: RunStatus, n: int = 1) -> Run:
    """Another run of the job."""
    return replace(a_run(), id=UUID(int=n), status=status, attempt=int(status is RunStatus.RUNNING))


def events(overlap: Overlap, *others: Run) -> tuple[OverlapDecision, list[RunEvent]]:
    place, facts = apply_overlap(overlap, others, NOW, WHY)
    return place, [fact.event for fact in facts]


@pytest.mark.parametrize("overlap", list(Overlap))
def test_with_nothing_in_the_way_every_policy_starts(overlap: Overlap) -> None:
    assert events(overlap) == (OverlapDecision.START, [])


@pytest.mark.parametrize("status", [RunStatus.RUNNING, RunStatus.DISPATCHED, RunStatus.RETRYING, RunStatus.WAITING])
def test_whatever_has_not_ended_for_good_stands_in_the_way(status: RunStatus) -> None:
    assert events(Overlap.SKIP, beside(status)) == (OverlapDecision.LEAVE_OUT, [])
    assert events(Overlap.BUFFER_ALL, beside(status)) == (OverlapDecision.WAIT, [])
    assert events(Overlap.ALLOW_ALL, beside(status)) == (OverlapDecision.START, [])


def test_one_may_wait_where_one_may_and_no_second() -> None:
    running, waits = beside(RunStatus.RUNNING), beside(RunStatus.WAITING, 2)
    assert events(Overlap.BUFFER_ONE, running) == (OverlapDecision.WAIT, [])
    assert events(Overlap.BUFFER_ONE, running, waits) == (OverlapDecision.LEAVE_OUT, [])


def test_the_running_one_is_asked_to_stop_and_waited_for_while_others_end_at_once() -> None:
    place, told = events(Overlap.CANCEL_OTHER, beside(RunStatus.RUNNING), beside(RunStatus.WAITING, 2))
    assert place is OverlapDecision.WAIT
    assert told == [
        RunCancelRequested(reason=WHY, at=NOW),
        RunCancelled(attempt=None, reason=WHY, at=NOW),
    ]
    assert events(Overlap.CANCEL_OTHER, beside(RunStatus.RETRYING))[0] is OverlapDecision.START


def test_one_that_was_asked_already_is_waited_for_and_not_asked_again() -> None:
    asked = replace(beside(RunStatus.RUNNING), cancel_requested=True)
    assert events(Overlap.CANCEL_OTHER, asked) == (OverlapDecision.WAIT, [])


def test_the_terminated_end_in_the_books_whatever_they_are_doing() -> None:
    place, told = events(Overlap.TERMINATE_OTHER, beside(RunStatus.RUNNING), beside(RunStatus.DISPATCHED, 2))
    assert place is OverlapDecision.START
    assert told == [RunCancelled(attempt=1, reason=WHY, at=NOW), RunCancelled(attempt=None, reason=WHY, at=NOW)]


def test_the_others_are_followed_through_a_decision() -> None:
    first, second = beside(RunStatus.RUNNING), UUID(int=2)
    others = ActiveRuns([first])
    others.follow([RunFact(second, a_dispatch())])
    assert {run.id for run in others.in_the_way(Trigger.SCHEDULE)} == {first.id, second}
    others.follow([RunFact(first.id, RunCancelled(attempt=1, reason=None, at=NOW))])
    assert [run.id for run in others.in_the_way(Trigger.SCHEDULE)] == [second]
    left_out = {name: getattr(a_dispatch(), name) for name in RunSkipped.__dataclass_fields__ if name != "reason"}
    others.follow([RunFact(UUID(int=3), RunSkipped(**left_out, reason="overlap"))])
    assert others.count == 1
