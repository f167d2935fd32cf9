"""The decisions about one batch of commands for runs."""

from dataclasses import replace
from uuid import uuid4

from duebook_common.domain.errors import StaleAttempt
from duebook_common.domain.run.commands import CancelRun, StartAttempt, Succeed
from duebook_common.domain.run.events import AttemptStarted, stream
from duebook_common.domain.run.state import RunStatus
from duebook_common.store.run_handling import CommandResult, RunWork, decide_batch
from support.samples import MINUTE, NOW, RUN_ID, a_run

START = StartAttempt(1, "executor", MINUTE, NOW)


def test_a_decision_holds_the_run_after_its_events() -> None:
    run = a_run()
    (decision,) = decide_batch([RunWork(RUN_ID, START, run)], {RUN_ID: run})
    assert [type(event) for event in decision.events] == [AttemptStarted]
    assert decision.run is not None
    assert (decision.run.status, decision.run.version) == (RunStatus.RUNNING, run.version + 1)
    assert decision.stream == stream(RUN_ID)
    assert decision.result == CommandResult(decision.run, decision.events)


def test_a_second_command_for_a_run_waits_for_the_next_commit() -> None:
    other = replace(a_run(), id=uuid4())
    work = [RunWork(RUN_ID, START), RunWork(other.id, START), RunWork(RUN_ID, CancelRun(None, NOW))]
    decisions = decide_batch(work, {RUN_ID: a_run(), other.id: other})
    assert [decision.work for decision in decisions] == work[:2]


def test_a_refused_command_has_an_error_and_no_events() -> None:
    (decision,) = decide_batch([RunWork(RUN_ID, Succeed(1, None, NOW))], {RUN_ID: a_run()})
    assert isinstance(decision.error, StaleAttempt)
    assert (decision.run, decision.events) == (a_run(), ())


def test_an_unknown_run_has_neither_events_nor_an_error() -> None:
    (decision,) = decide_batch([RunWork(RUN_ID, START)], {})
    assert decision.result == CommandResult(None)
