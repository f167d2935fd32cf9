"""The plan of a commit about jobs: which events are appended, and which rows are written."""

import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.commands import ChangeJob, Dispatch, JobCommand, PauseJob, TriggerRun
from duebook_common.domain.job.decide import create
from duebook_common.domain.job.events import JobFinished, OccurrencesSkipped, stream
from duebook_common.domain.job.state import Job
from duebook_common.domain.run import events as run_events
from duebook_common.domain.run.events import RunBuffered, RunCancelled, RunCancelRequested, RunDispatched
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime import timezones
from duebook_common.store.actor import Actor
from duebook_common.store.job_plan import (
    CommitPlan,
    JobResult,
    LockedJob,
    NewJob,
    decide_locked,
    plan_commit,
    plan_creation,
)
from support.samples import DAY, HOUR, JOB_ID, MINUTE, NOW, RUN_ID, SECOND, a_definition, a_job, a_run, context

ACTOR = Actor("test")


def decided(job: Job, command: JobCommand, *active: Run) -> JobResult[JobCommand]:
    return decide_locked(LockedJob(job, active), command)


def plan(*results: JobResult[JobCommand]) -> CommitPlan:
    return plan_commit(results, ACTOR)


def active(status: RunStatus, n: int) -> Run:
    return replace(a_run(), id=UUID(int=n), status=status, attempt=int(status is RunStatus.RUNNING))


def names(events: Sequence[object]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_new_jobs_open_their_streams() -> None:
    event = create(JOB_ID, a_definition(), NOW)
    created = plan_creation([NewJob(JOB_ID, event, ACTOR)])
    (write,) = created.writes
    assert (write.stream, write.expected, write.events, write.job_id) == (stream(JOB_ID), 0, [event], JOB_ID)
    assert created.created_jobs == [a_job()]
    assert json.loads(write.meta) == {"actor": "test", "tzdata": timezones.VERSION}


def test_a_new_run_is_inserted_and_its_job_moves_on() -> None:
    result = decided(a_job(), Dispatch(context()))
    planned = plan(result)
    run, job = planned.writes
    assert (run.stream, run.expected, names(run.events)) == (
        run_events.stream(run_id_at(JOB_ID, NOW)),
        0,
        ["RunDispatched"],
    )
    assert (job.stream, job.expected, job.events) == (stream(JOB_ID), 1, [])
    assert planned.updated_jobs == [result.job]
    assert [run.id for run in planned.opened_runs] == [run_id_at(JOB_ID, NOW)]
    assert (planned.redefined_jobs, planned.updated_runs, planned.awaited_runs) == ([], [], [])


def test_the_facts_of_several_streams_keep_their_order() -> None:
    run, job = plan(decided(a_job(recurrence="daily", scheduled_at=NOW - 3 * DAY - HOUR), Dispatch(context()))).writes
    assert (names(run.events), run.order) == (["RunDispatched"], [1])
    assert (names(job.events), job.order) == (["OccurrencesSkipped"], [0])


def test_a_decision_about_runs_alone_checks_the_jobs_version() -> None:
    """By an empty write: it fails if the job's stream is longer than the decision assumed."""
    result = decided(replace(a_job(recurrence="daily"), stream_version=4), Dispatch(context()))
    _, job = plan(result).writes
    assert (job.stream, job.expected, job.events) == (stream(JOB_ID), 4, [])


def test_a_decision_without_facts_writes_nothing() -> None:
    planned = plan(decided(a_job(scheduled_at=NOW + DAY), Dispatch(context())))
    assert planned == CommitPlan()


def test_a_changed_job_writes_its_definition_too() -> None:
    wanted = a_definition(name="another", scheduled_at=NOW + DAY)
    changed = decided(a_job(scheduled_at=NOW + DAY), ChangeJob(wanted, context(), run_exists=False))
    paused = decided(replace(a_job(scheduled_at=NOW + DAY), id=RUN_ID), PauseJob(None, context()))
    planned = plan(changed, paused)
    assert (planned.redefined_jobs, planned.updated_jobs) == ([changed.job], [paused.job])


def test_runs_that_an_overlap_policy_changes_are_updated_in_the_order_of_their_ids() -> None:
    """All writers lock rows in this order, so that they do not deadlock."""
    runs = [active(RunStatus.RUNNING, 3), active(RunStatus.DISPATCHED, 1), active(RunStatus.RETRYING, 2)]
    planned = plan(decided(a_job(recurrence="daily", overlap=Overlap.TERMINATE_OTHER), Dispatch(context()), *runs))
    assert [(run.id.int, run.status, run.version) for run in planned.updated_runs] == [
        (n, RunStatus.CANCELLED, 2) for n in (1, 2, 3)
    ]
    assert planned.freeing_runs == planned.updated_runs
    assert len(planned.opened_runs) == 1
    assert {(write.expected, *names(write.events)) for write in planned.writes[:3]} == {(1, "RunCancelled")}


def test_the_runs_under_way_are_awaited_while_a_run_waits_for_them() -> None:
    running = active(RunStatus.RUNNING, 1)
    trigger = TriggerRun(RUN_ID, Overlap.BUFFER_ALL, context())
    planned = plan(decided(a_job(recurrence="daily"), trigger, running))
    assert [run.reason for run in planned.opened_runs] == ["overlap"]
    assert planned.awaited_runs == [running]


def test_runs_are_awaited_also_for_a_job_that_is_left_as_it_is() -> None:
    """A run that was redriven meanwhile may be under way without being marked."""
    running, waiting = active(RunStatus.RUNNING, 1), replace(active(RunStatus.WAITING, 2), reason="overlap")
    planned = plan(decided(a_job(scheduled_at=NOW + DAY), Dispatch(context()), running, waiting))
    assert (planned.writes, planned.awaited_runs) == ([], [running])


def test_a_result_names_the_runs_whose_attempts_have_to_stop() -> None:
    runs = [active(RunStatus.RUNNING, 1), active(RunStatus.DISPATCHED, 2)]
    result = decided(a_job(recurrence="daily", overlap=Overlap.CANCEL_OTHER), Dispatch(context()), *runs)
    assert [type(fact.event) for fact in result.facts if not isinstance(fact, OccurrencesSkipped | JobFinished)] == [  # type: ignore[union-attr]
        RunCancelRequested,
        RunCancelled,
        RunBuffered,
    ]
    assert [run_id.int for run_id in result.stopped] == [1, 2]


def test_a_run_that_is_opened_and_ended_in_one_decision_is_written_once() -> None:
    job = a_job(recurrence="daily", overlap=Overlap.TERMINATE_OTHER, scheduled_at=NOW - DAY)
    result = decided(job, Dispatch(context(misfire=2 * DAY)))
    planned = plan(result)
    first, second = planned.opened_runs
    assert (first.status, first.version, second.status) == (RunStatus.CANCELLED, 2, RunStatus.DISPATCHED)
    (write,) = [write for write in planned.writes if write.stream == run_events.stream(first.id)]
    assert (write.expected, names(write.events), write.order) == (0, ["RunDispatched", "RunCancelled"], [0, 1])
    assert isinstance(write.events[0], RunDispatched)
    assert write.events[0].wake_at == NOW + 30 * SECOND < NOW + MINUTE
