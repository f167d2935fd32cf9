"""Which occurrences may be decided before they are due, and which commands wait for such a run."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from duebook_common.domain.definition import Concurrency, Every, Overlap, Rate
from duebook_common.domain.job.ahead import awaited_instant, decision_time
from duebook_common.domain.job.commands import (
    Backfill,
    ChangeJob,
    DeleteJob,
    Dispatch,
    JobCommand,
    PauseJob,
    ResumeJob,
    TriggerRun,
)
from duebook_common.domain.job.decide import decide
from duebook_common.domain.job.state import job_after
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.events import RunDispatched, RunFact
from duebook_common.domain.run.state import Run, RunStatus
from support.samples import MINUTE, NOW, RUN_ID, SECOND, a_definition, a_job, a_run, context

SOON = NOW + SECOND
BEFORE = context(NOW)


def decided_at(**definition: Any) -> datetime | None:
    return decision_time(a_job(scheduled_at=SOON, **definition), [], BEFORE)


def test_an_occurrence_that_nothing_can_hold_back_is_decided_by_its_due_time() -> None:
    assert decided_at() == SOON
    assert decided_at(recurrence=Every(MINUTE), overlap=Overlap.SKIP) == SOON


def test_what_is_due_is_decided_by_the_time_that_it_is() -> None:
    assert decision_time(a_job(), [a_run()], context(SOON)) == SOON


@pytest.mark.parametrize(
    "limited", [{"concurrency": Concurrency("key", 1)}, {"rate": Rate("key", 1, MINUTE)}], ids=["key", "rate"]
)
def test_a_run_that_has_to_be_admitted_is_not_decided_ahead(limited: dict[str, Any]) -> None:
    assert decided_at(**limited) is None


def test_an_active_run_a_pause_or_a_missing_executor_forbids_to_decide_ahead() -> None:
    job = a_job(scheduled_at=SOON)
    pause = Pause(name="default", version=1, since=NOW, reason=None, paused_by="ops")
    assert decision_time(job, [a_run()], BEFORE) is None
    assert decision_time(job, [], replace(BEFORE, pauses=[pause])) is None
    assert decision_time(job, [], replace(BEFORE, has_executor=False)) is None
    assert decision_time(replace(job, held=True), [], BEFORE) is None
    assert decision_time(replace(job, backlog_since=NOW), [], BEFORE) is None


def test_all_events_of_a_decision_ahead_have_the_instant_as_their_time() -> None:
    facts = decide(a_job(scheduled_at=SOON), [], Dispatch(context(SOON)))
    (first,) = facts
    assert isinstance(first, RunFact)
    assert isinstance(first.event, RunDispatched)
    assert (first.event.at, first.event.due_at) == (SOON, SOON)
    assert first.event.wake_at == SOON + BEFORE.look_again_after, "a lost message is missed from the instant on"
    assert job_after(a_job(scheduled_at=SOON), facts).updated_at == SOON


def ahead(status: RunStatus = RunStatus.DISPATCHED, by: timedelta = SECOND) -> Run:
    return replace(a_run(), created_at=NOW + by, status=status)


COMMANDS: list[JobCommand] = [
    PauseJob(None, BEFORE),
    ChangeJob(a_definition(), BEFORE, run_exists=False),
    Backfill([], Overlap.ALLOW_ALL, BEFORE),
    ResumeJob(None, NOW),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_a_command_waits_for_a_run_that_was_decided_ahead(command: JobCommand) -> None:
    assert awaited_instant(command, [ahead()]) == (SOON, 1.0)
    assert awaited_instant(command, [ahead(RunStatus.RUNNING)]) == (SOON, 1.0)
    assert awaited_instant(command, [ahead(by=timedelta(0))]) is None, "its instant has come"
    assert awaited_instant(command, [ahead(by=MINUTE)]) is None, "the clock was set back since"


def test_a_deletion_waits_only_for_what_has_started_ahead() -> None:
    assert awaited_instant(DeleteJob(NOW), [ahead()]) is None, "it cancels that run"
    assert awaited_instant(DeleteJob(NOW), [ahead(), ahead(RunStatus.RUNNING)]) == (SOON, 1.0)


def test_a_trigger_waits_for_no_instant() -> None:
    assert awaited_instant(TriggerRun(RUN_ID, Overlap.SKIP, BEFORE), [ahead()]) is None
