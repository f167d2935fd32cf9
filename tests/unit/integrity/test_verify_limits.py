"""What `verify` finds in a job's events: a run that was sent although its overlap policy forbids that."""

from uuid import UUID

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.run.events import (
    AttemptStarted,
    AttemptSucceeded,
    RunBuffered,
    RunEvent,
    RunFact,
    RunRequeued,
    Startable,
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
STARTED = AttemptStarted(attempt=1, executor="e", wake_at=NOW + MINUTE, at=NOW)
SUCCEEDED = AttemptSucceeded(attempt=1, result=None, at=NOW)


def breaches(overlap: Overlap, *events: Event) -> list[tuple[Invariant, str]]:
    created = job_decide.create(JOB_ID, a_definition(overlap=overlap), NOW)
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
