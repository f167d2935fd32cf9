"""The first events of runs that no schedule opens: triggered by hand, and backfilled."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import TooManyActiveRuns, WrongStatus
from duebook_common.domain.job.commands import Backfill, TriggerRun
from duebook_common.domain.job.new_runs import backfill, trigger_run
from duebook_common.domain.job.schedule_history import DefinitionVersion
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import RunBuffered, RunDispatched, RunEvent, RunFact, RunSkipped, Trigger
from duebook_common.domain.run.ids import run_id_of_backfill
from duebook_common.domain.run.state import ENDED, Run, RunStatus
from support.samples import DAY, HOUR, JOB_ID, NOW, RUN_ID, SECOND, a_definition, a_job, a_run, context, past


def triggered(job: Job, active: Sequence[Run], overlap: Overlap, **own: Any) -> RunEvent:
    (fact,) = trigger_run(job, active, TriggerRun(RUN_ID, overlap, context(), **own))
    assert fact.run_id == RUN_ID
    return fact.event


def backfilled(job: Job, active: Sequence[Run], overlap: Overlap, *times: datetime) -> list[RunFact]:
    return backfill(job, active, Backfill(past(job, *times), overlap, context()))


def test_a_triggered_run_starts_now_also_beside_others_and_while_paused() -> None:
    paused = replace(a_job(scheduled_at=NOW + 5 * HOUR, recurrence="daily"), status=JobStatus.PAUSED)
    own: dict[str, Any] = {"payload": [1], "own_payload": True, "request_hash": "h"}
    event = triggered(paused, [a_run()], Overlap.ALLOW_ALL, **own)
    assert isinstance(event, RunDispatched)
    assert (event.trigger, event.nominal_at, event.next_at) == (Trigger.MANUAL, NOW, NOW + 5 * HOUR)
    assert (event.payload, event.own_payload, event.request_hash) == ([1], True, "h")


def test_a_triggered_run_follows_the_overlap_policy_of_its_command() -> None:
    skipped = triggered(a_job(), [a_run()], Overlap.SKIP)
    assert isinstance(skipped, RunSkipped)
    assert skipped.reason == "overlap"
    assert isinstance(triggered(a_job(), [], Overlap.SKIP), RunDispatched)


def test_a_rerun_has_the_nominal_time_of_its_run_and_names_it() -> None:
    ended = replace(a_run(), id=UUID(int=5), status=RunStatus.CANCELLED, nominal_at=NOW - DAY)
    event = triggered(a_job(), [], Overlap.ALLOW_ALL, repeats=ended)
    assert isinstance(event, RunDispatched)
    assert (event.trigger, event.cause, event.nominal_at, event.due_at) == (Trigger.RERUN, ended.id, NOW - DAY, NOW)


@pytest.mark.parametrize("status", sorted(set(RunStatus) - ENDED))
def test_a_run_that_has_not_ended_is_not_repeated(status: RunStatus) -> None:
    with pytest.raises(WrongStatus):
        triggered(a_job(), [], Overlap.ALLOW_ALL, repeats=replace(a_run(), status=status))


def test_a_run_without_an_executor_waits_for_its_task() -> None:
    unserved = context(has_executor=False)
    (fact,) = trigger_run(a_job(), [], TriggerRun(RUN_ID, Overlap.SKIP, unserved))
    assert isinstance(fact.event, RunBuffered)
    assert (fact.event.reason, fact.event.wake_at) == ("task", NOW + SECOND)


def test_one_run_may_wait_behind_a_run_that_waits_for_its_task() -> None:
    first = replace(a_run(), status=RunStatus.WAITING, reason="task")
    assert isinstance(triggered(a_job(), [first], Overlap.BUFFER_ONE), RunBuffered)


def test_a_triggered_run_has_no_deadline() -> None:
    event = triggered(a_job(start_within=SECOND, scheduled_at=NOW - DAY), [], Overlap.ALLOW_ALL)
    assert isinstance(event, RunDispatched)
    assert event.start_by is None
    assert event.wake_at == NOW + 30 * SECOND


def test_backfills_run_one_after_the_other_and_leave_the_schedule_alone() -> None:
    job, times = a_job(recurrence="daily"), [NOW - 3 * DAY, NOW - 2 * DAY]
    first, second = backfilled(job, [], Overlap.BUFFER_ALL, *times)
    assert [fact.run_id for fact in (first, second)] == [run_id_of_backfill(JOB_ID, time) for time in times]
    assert isinstance(first.event, RunDispatched)
    assert isinstance(second.event, RunBuffered)
    assert (first.event.nominal_at, first.event.due_at, first.event.trigger) == (times[0], NOW, Trigger.BACKFILL)
    assert (first.event.next_at, second.event.reason) == (job.next_at, "overlap")


def test_backfills_without_an_overlap_policy_all_start() -> None:
    facts = backfilled(a_job(), [a_run()], Overlap.ALLOW_ALL, NOW - DAY, NOW - HOUR)
    assert [type(fact.event) for fact in facts] == [RunDispatched, RunDispatched]


def test_a_backfill_runs_by_the_definition_in_force_at_its_time() -> None:
    (occurrence,) = past(a_job(), NOW - DAY)
    before = occurrence._replace(version=DefinitionVersion(a_definition(task="old", queue="slow"), 3, 5))
    (fact,) = backfill(a_job(task="new"), [], Backfill([before], Overlap.SKIP, context()))
    assert isinstance(fact.event, RunDispatched)
    event = fact.event
    assert (event.task, event.queue, event.job_version, event.definition_at) == ("old", "slow", 3, 5)


def test_an_occurrence_that_has_been_backfilled_gets_no_second_run() -> None:
    first, second = past(a_job(), NOW - 2 * DAY, NOW - DAY)
    command = Backfill([first._replace(run=a_run()), second], Overlap.ALLOW_ALL, context())
    assert [fact.run_id for fact in backfill(a_job(), [], command)] == [run_id_of_backfill(JOB_ID, NOW - DAY)]


def test_a_backfill_that_has_not_started_blocks_other_backfills_only() -> None:
    waiting = replace(a_run(), trigger=Trigger.BACKFILL, status=RunStatus.WAITING)
    assert isinstance(triggered(a_job(), [waiting], Overlap.SKIP), RunDispatched)
    assert isinstance(backfilled(a_job(), [waiting], Overlap.SKIP, NOW)[0].event, RunSkipped)


def active_runs(count: int) -> list[Run]:
    return [replace(a_run(), id=UUID(int=n)) for n in range(count)]


@pytest.mark.parametrize("overlap", [Overlap.ALLOW_ALL, Overlap.BUFFER_ALL])
def test_a_trigger_beyond_the_limit_of_active_runs_is_refused(overlap: Overlap) -> None:
    command = TriggerRun(RUN_ID, overlap, context(max_active=3))
    assert len(trigger_run(a_job(), active_runs(2), command)) == 1
    with pytest.raises(TooManyActiveRuns, match="would have 4 active runs, and DUEBOOK_MAX_ACTIVE_RUNS allows 3"):
        trigger_run(a_job(), active_runs(3), command)


def test_a_trigger_that_skips_or_ends_others_is_not_refused_for_the_limit() -> None:
    for overlap, first in ((Overlap.SKIP, RunSkipped), (Overlap.TERMINATE_OTHER, RunDispatched)):
        *_, opened = trigger_run(a_job(), active_runs(3), TriggerRun(RUN_ID, overlap, context(max_active=3)))
        assert isinstance(opened.event, first)


def test_a_backfill_beyond_the_limit_of_active_runs_is_refused_whole() -> None:
    job, times = a_job(recurrence="daily"), [NOW - n * DAY for n in (3, 2, 1)]
    assert (
        len(backfill(job, active_runs(1), Backfill(past(job, *times), Overlap.BUFFER_ALL, context(max_active=4)))) == 3
    )
    with pytest.raises(TooManyActiveRuns):
        backfill(job, active_runs(2), Backfill(past(job, *times), Overlap.BUFFER_ALL, context(max_active=4)))
