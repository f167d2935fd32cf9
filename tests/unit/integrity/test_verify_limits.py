"""What `verify` finds in a job's events: a run that was sent although its overlap policy forbids that."""

from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

import pytest

from duebook_common.domain.definition import CatchUp, Overlap
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.run.events import (
    AttemptStarted,
    AttemptSucceeded,
    Identity,
    RunBuffered,
    RunEvent,
    RunFact,
    RunRequeued,
    RunSkipped,
    Startable,
    Trigger,
)
from duebook_common.integrity.breach import Invariant
from duebook_common.integrity.verify_limits import check_overlap
from support.recorded import recorded
from support.samples import JOB_ID, MINUTE, NOW, a_definition, a_dispatch

Event = tuple[UUID, RunEvent]
FIRST, SECOND = UUID(int=1), UUID(int=2)
DISPATCHED = a_dispatch()
BUFFERED = RunBuffered(**{name: getattr(DISPATCHED, name) for name in Startable.__dataclass_fields__}, reason="overlap")
REQUEUED = RunRequeued(dispatch=1, wake_at=NOW + MINUTE, at=NOW)
CAUGHT_UP = replace(DISPATCHED, trigger=Trigger.CATCH_UP)
SKIPPED = RunSkipped(**{name: getattr(DISPATCHED, name) for name in Identity.__dataclass_fields__}, reason="overlap")
STARTED = AttemptStarted(attempt=1, executor="e", wake_at=NOW + MINUTE, at=NOW)
SUCCEEDED = AttemptSucceeded(attempt=1, result=None, at=NOW)


def breaches(overlap: Overlap, *events: Event, policy: Literal["latest", "all"] = "latest") -> list[Any]:
    created = job_decide.create(JOB_ID, a_definition(overlap=overlap, catch_up=CatchUp(policy)), NOW)
    history = recorded([created, *(RunFact(run_id, event) for run_id, event in events)])
    return [(breach.invariant, breach.stream) for breach in check_overlap(history)]


LIMITED = [(Invariant.LIMITS, f"run-{SECOND}")]
ALONE = [Overlap.SKIP, Overlap.BUFFER_ONE, Overlap.BUFFER_ALL, Overlap.CANCEL_OTHER]


@pytest.mark.parametrize("overlap", Overlap)
def test_a_second_dispatch_is_a_breach_where_the_policy_wants_one_run(overlap: Overlap) -> None:
    expected = LIMITED if overlap in ALONE else []
    assert breaches(overlap, (FIRST, DISPATCHED), (SECOND, DISPATCHED)) == expected


def test_a_run_that_is_sent_after_the_end_of_the_other_is_sound() -> None:
    sent: list[Event] = [(FIRST, DISPATCHED), (FIRST, STARTED), (FIRST, SUCCEEDED), (SECOND, DISPATCHED)]
    assert breaches(Overlap.SKIP, *sent) == []


def test_a_buffered_run_that_is_sent_too_early_is_a_breach() -> None:
    buffered: list[Event] = [(FIRST, DISPATCHED), (SECOND, BUFFERED)]
    assert breaches(Overlap.BUFFER_ALL, *buffered, (SECOND, REQUEUED)) == LIMITED
    ended: list[Event] = [(FIRST, STARTED), (FIRST, SUCCEEDED)]
    assert breaches(Overlap.BUFFER_ALL, *buffered, *ended, (SECOND, REQUEUED)) == []


def test_sending_a_run_again_is_no_second_run() -> None:
    assert breaches(Overlap.SKIP, (FIRST, DISPATCHED), (FIRST, REQUEUED)) == []


def test_an_occurrence_that_a_caught_up_run_left_out_is_a_breach() -> None:
    assert breaches(Overlap.SKIP, (FIRST, CAUGHT_UP), (FIRST, STARTED), (SECOND, SKIPPED)) == LIMITED
    assert breaches(Overlap.SKIP, (FIRST, DISPATCHED), (SECOND, SKIPPED)) == []
    ended: list[Event] = [(FIRST, CAUGHT_UP), (FIRST, STARTED), (FIRST, SUCCEEDED)]
    assert breaches(Overlap.SKIP, *ended, (SECOND, SKIPPED)) == []


@pytest.mark.parametrize("overlap", [Overlap.SKIP, Overlap.BUFFER_ONE])
def test_an_occurrence_that_a_pause_of_its_queue_left_out_is_a_breach(overlap: Overlap) -> None:
    kept = replace(DISPATCHED, resumed_at=NOW + MINUTE)
    assert breaches(overlap, (FIRST, kept), (FIRST, STARTED), (SECOND, SKIPPED)) == LIMITED
    ended: list[Event] = [(FIRST, kept), (FIRST, STARTED), (FIRST, SUCCEEDED)]
    assert breaches(overlap, *ended, (SECOND, SKIPPED)) == []


def test_an_ordinary_run_beside_a_caught_up_one_may_leave_out_an_occurrence() -> None:
    """By `latest`. By `all` the occurrence joins the backlog, whatever else is active."""
    beside: list[Event] = [(FIRST, CAUGHT_UP), (UUID(int=3), BUFFERED)]
    assert breaches(Overlap.SKIP, *beside, (SECOND, SKIPPED)) == []
    assert breaches(Overlap.SKIP, *beside, (SECOND, SKIPPED), policy="all") == LIMITED
