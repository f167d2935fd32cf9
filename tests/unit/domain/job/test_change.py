"""What a new definition changes, and where the schedule continues."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.change import change
from duebook_common.domain.job.events import JobChanged, JobFinished, JobPaused
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.state import Job, JobStatus, evolve, job_after
from support.samples import DAY, HOUR, NOW, a_definition, a_job, context


def accounted(job: Job, now: datetime) -> Job:
    """The job once everything that is due was decided."""
    return job_after(job, account(job, [], context(now)))


def finished() -> Job:
    job = accounted(a_job(), NOW)
    assert job.status is JobStatus.FINISHED
    return job


def changed(job: Job, definition: Definition, now: datetime = NOW, *, run_exists: bool = False) -> Job:
    return job_after(job, change(job, definition, now, run_exists=run_exists))


def test_an_equal_definition_changes_nothing() -> None:
    job = a_job(recurrence="daily")
    assert change(job, a_definition(recurrence="daily"), NOW + HOUR, run_exists=True) == []


def test_a_new_schedule_names_times_after_the_change_only() -> None:
    job = accounted(a_job(recurrence="daily"), NOW)
    noon = replace(job.definition, scheduled_at=NOW - 30 * DAY + 11 * HOUR)
    assert change(job, noon, NOW, run_exists=False) == [JobChanged(definition=noon, next_at=NOW + 11 * HOUR, at=NOW)]


def test_a_one_off_that_is_moved_into_the_past_runs_at_once() -> None:
    job = a_job(scheduled_at=NOW + HOUR)
    assert changed(job, replace(job.definition, scheduled_at=NOW - HOUR)).next_at == NOW - HOUR


def test_a_one_off_that_has_a_run_does_not_run_again_at_the_same_time() -> None:
    job = a_job(scheduled_at=NOW + HOUR)
    moved = changed(job, replace(job.definition, scheduled_at=NOW - HOUR), run_exists=True)
    assert (moved.status, moved.next_at) == (JobStatus.FINISHED, None)


def test_a_finished_one_off_runs_again_at_a_new_time() -> None:
    job = changed(finished(), replace(finished().definition, scheduled_at=NOW + DAY), NOW + HOUR)
    assert (job.status, job.next_at) == (JobStatus.ACTIVE, NOW + DAY)


def test_a_finished_job_that_only_gets_another_name_stays_finished() -> None:
    renamed = replace(finished().definition, name="weekly report")
    events = change(finished(), renamed, NOW + HOUR, run_exists=True)
    assert [type(event) for event in events] == [JobChanged, JobFinished]
    assert job_after(finished(), events).status is JobStatus.FINISHED


def test_a_finished_one_off_whose_zone_changes_does_not_run_again() -> None:
    moved = replace(finished().definition, timezone="Europe/Berlin")
    assert changed(finished(), moved, NOW + HOUR).status is JobStatus.FINISHED


def test_a_one_off_becomes_a_series_of_future_times() -> None:
    daily = replace(finished().definition, recurrence="daily")
    assert changed(finished(), daily, NOW + HOUR, run_exists=True).next_at == NOW + DAY


@pytest.mark.parametrize("run_exists", [True, False])
def test_a_series_that_becomes_a_one_off_does_not_repeat_its_first_time(run_exists: bool) -> None:
    """Also if that time was skipped, so that no run of it exists."""
    job = accounted(a_job(scheduled_at=NOW - 3 * DAY - HOUR, recurrence="daily"), NOW)
    once = replace(job.definition, recurrence="none")
    assert changed(job, once, run_exists=run_exists).status is JobStatus.FINISHED


def test_a_series_that_becomes_a_one_off_before_its_start_keeps_its_time() -> None:
    job = a_job(scheduled_at=NOW + DAY, recurrence="daily")
    once = replace(job.definition, recurrence="none")
    assert change(job, once, NOW, run_exists=False) == [JobChanged(definition=once, next_at=NOW + DAY, at=NOW)]


def test_a_series_whose_end_is_moved_before_now_finishes() -> None:
    job = accounted(a_job(recurrence="daily"), NOW + DAY)
    ended = replace(job.definition, ends_at=NOW + DAY)
    assert changed(job, ended, NOW + DAY).status is JobStatus.FINISHED


def test_a_change_while_paused_leaves_the_job_paused() -> None:
    job = evolve(a_job(recurrence="daily"), JobPaused(reason=None, at=NOW))
    for fields in ({"recurrence": "weekly"}, {"ends_at": NOW - HOUR}, {"name": "weekly report"}):
        after = changed(job, replace(job.definition, **fields))
        assert (after.status, after.wake_at) == (JobStatus.PAUSED, None)


def test_a_change_by_a_clock_that_is_behind_names_no_time_that_has_run() -> None:
    """By the scheduler's clock the time has come, by the api's clock it has not."""
    behind = NOW - timedelta(milliseconds=2)
    job = accounted(a_job(recurrence="daily"), NOW)
    assert job.next_at == NOW + DAY
    assert changed(job, replace(job.definition, ends_at=NOW + 9 * DAY), behind, run_exists=True).next_at == NOW + DAY
