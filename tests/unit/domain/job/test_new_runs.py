"""How runs begin that no schedule makes: by hand, or to make up for the past."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.new_runs import backfill_runs, trigger_now
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.run.events import (
    RunBuffered,
    RunDispatched,
    RunEvent,
    RunSkipped,
    Trigger,
    run_id_of_backfill,
)
from duebook_common.domain.run.state import Run, RunStatus
from support.samples import DAY, HOUR, JOB_ID, NOW, RUN_ID, SECOND, a_job, a_run, terms


def triggered(job: Job, active: Sequence[Run], overlap: Overlap, **own: Any) -> RunEvent:
    (fact,) = trigger_now(job, active, terms(), RUN_ID, overlap=overlap, **own)
    assert fact.run_id == RUN_ID
    return fact.event


def test_a_triggered_run_starts_now_also_beside_others_and_while_paused() -> None:
    paused = replace(a_job(scheduled_at=NOW + 5 * HOUR, recurrence="daily"), status=JobStatus.PAUSED)
    own: dict[str, Any] = {"payload": [1], "own_payload": True, "request_hash": "h"}
    event = triggered(paused, [a_run()], Overlap.ALLOW_ALL, **own)
    assert isinstance(event, RunDispatched)
    assert (event.trigger, event.nominal_at, event.next_at) == (Trigger.MANUAL, NOW, NOW + 5 * HOUR)
    assert (event.payload, event.own_payload, event.request_hash) == ([1], True, "h")


def test_a_triggered_run_can_be_asked_to_yield() -> None:
    yielding = triggered(a_job(), [a_run()], Overlap.SKIP)
    assert isinstance(yielding, RunSkipped)
    assert yielding.reason == "overlap"
    assert isinstance(triggered(a_job(), [], Overlap.SKIP), RunDispatched)


def test_a_triggered_run_has_no_deadline() -> None:
    event = triggered(a_job(start_within=SECOND, scheduled_at=NOW - DAY), [], Overlap.ALLOW_ALL)
    assert isinstance(event, RunDispatched)
    assert event.start_by is None
    assert event.wake_at == NOW + 30 * SECOND


def test_what_is_made_up_for_runs_one_after_the_other_and_leaves_the_schedule_alone() -> None:
    job, times = a_job(recurrence="daily"), [NOW - 3 * DAY, NOW - 2 * DAY]
    first, second = backfill_runs([(job, time) for time in times], [], terms(), Overlap.BUFFER_ALL)
    assert [fact.run_id for fact in (first, second)] == [run_id_of_backfill(JOB_ID, time) for time in times]
    assert isinstance(first.event, RunDispatched)
    assert isinstance(second.event, RunBuffered)
    assert (first.event.nominal_at, first.event.due_at, first.event.trigger) == (times[0], NOW, Trigger.BACKFILL)
    assert second.event.reason == "overlap"


def test_backfills_beside_each_other_all_start() -> None:
    facts = backfill_runs([(a_job(), NOW - DAY), (a_job(), NOW - HOUR)], [a_run()], terms(), Overlap.ALLOW_ALL)
    assert [type(fact.event) for fact in facts] == [RunDispatched, RunDispatched]


def test_a_backfill_that_has_not_started_stands_in_no_scheduled_runs_way() -> None:
    waits = replace(a_run(), trigger=Trigger.BACKFILL, status=RunStatus.WAITING)
    assert isinstance(triggered(a_job(), [waits], Overlap.SKIP), RunDispatched)
    assert isinstance(backfill_runs([(a_job(), NOW)], [waits], terms(), Overlap.SKIP)[0].event, RunSkipped)
