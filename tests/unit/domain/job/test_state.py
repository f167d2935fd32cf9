"""What people may do to a job, and where its schedule goes on afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.errors import JobDeletedAlready, WrongStatus
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job.change import change
from duebook_common.domain.job.decide import create, delete, pause, resume
from duebook_common.domain.job.events import (
    JobChanged,
    JobDeleted,
    JobEvent,
    JobFinished,
    JobPaused,
    JobResumed,
    OccurrencesSkipped,
)
from duebook_common.domain.job.new_runs import trigger_now
from duebook_common.domain.job.occurrence import account, skip_due
from duebook_common.domain.job.state import Job, JobStatus, evolve, opened
from duebook_common.domain.run.events import RunDispatched, RunFact
from support.samples import DAY, HOUR, JOB_ID, NOW, RUN_ID, a_definition, a_job, terms


def after(job: Job, events: Sequence[JobEvent]) -> Job:
    for event in events:
        job = evolve(job, event)
    return job


def settled(job: Job, now: datetime) -> Job:
    """The job once everything that is due was decided."""
    for fact in account(job, [], terms(now)):
        job = evolve(job, fact.event if isinstance(fact, RunFact) else fact)  # type: ignore[arg-type]
    return job


def paused(**fields: Any) -> Job:
    job = a_job(**fields)
    return after(job, pause(job, "holidays", NOW))


def deleted() -> Job:
    return after(a_job(), delete(a_job(), NOW))


def finished() -> Job:
    job = settled(a_job(), NOW)
    assert job.status is JobStatus.FINISHED
    return job


def test_a_job_begins_with_its_first_nominal_time() -> None:
    job = a_job(scheduled_at=NOW + HOUR)
    assert (job.status, job.version, job.stream_version, job.definition_version) == (JobStatus.ACTIVE, 1, 1, 1)
    assert (job.next_at, job.wake_at, job.created_at, job.updated_at) == (NOW + HOUR, NOW + HOUR, NOW, NOW)
    assert a_job(scheduled_at=NOW - DAY).next_at == NOW - DAY
    assert create(JOB_ID, a_definition(), NOW, "abc").request_hash == "abc"
    assert opened(JOB_ID, create(JOB_ID, a_definition(), NOW, "abc")).request_hash == "abc"


def test_a_one_off_has_finished_once_its_time_is_accounted_for() -> None:
    job = finished()
    assert (job.next_at, job.wake_at, job.version) == (None, None, 1)


# Changing


def test_a_change_that_says_the_same_changes_nothing() -> None:
    job = a_job(recurrence="daily")
    assert change(job, a_definition(recurrence="daily"), NOW + HOUR, ran=True) == []


def test_a_change_counts_a_version_and_says_where_its_definition_stands() -> None:
    job = after(paused(recurrence="daily"), [JobResumed(reason=None, next_at=NOW, at=NOW)])
    wanted = replace(job.definition, name="weekly report")
    changed = after(job, change(job, wanted, NOW + HOUR, ran=False))
    assert (changed.version, changed.stream_version, changed.definition_version) == (2, 4, 4)
    assert changed.definition == wanted
    assert (changed.next_at, changed.updated_at, changed.created_at) == (NOW, NOW + HOUR, NOW)


def test_a_change_of_the_schedule_looks_ahead_only() -> None:
    job = settled(a_job(recurrence="daily"), NOW)
    noon = replace(job.definition, scheduled_at=NOW - 30 * DAY + 11 * HOUR)
    assert change(job, noon, NOW, ran=False) == [JobChanged(definition=noon, next_at=NOW + 11 * HOUR, at=NOW)]


def test_a_one_off_that_is_moved_into_the_past_runs_at_once() -> None:
    job = a_job(scheduled_at=NOW + HOUR)
    moved = replace(job.definition, scheduled_at=NOW - HOUR)
    assert after(job, change(job, moved, NOW, ran=False)).next_at == NOW - HOUR


def test_a_one_off_that_ran_already_does_not_run_again_at_the_same_time() -> None:
    job = a_job(scheduled_at=NOW + HOUR)
    moved = replace(job.definition, scheduled_at=NOW - HOUR)
    changed = after(job, change(job, moved, NOW, ran=True))
    assert (changed.status, changed.next_at) == (JobStatus.FINISHED, None)


def test_a_finished_one_off_runs_again_where_it_is_given_a_new_time() -> None:
    again = replace(finished().definition, scheduled_at=NOW + DAY)
    job = after(finished(), change(finished(), again, NOW + HOUR, ran=False))
    assert (job.status, job.next_at) == (JobStatus.ACTIVE, NOW + DAY)


def test_a_finished_job_that_only_gets_another_name_stays_finished() -> None:
    renamed = replace(finished().definition, name="weekly report")
    events = change(finished(), renamed, NOW + HOUR, ran=True)
    assert [type(event) for event in events] == [JobChanged, JobFinished]
    assert after(finished(), events).status is JobStatus.FINISHED


def test_a_finished_one_off_whose_zone_changes_does_not_run_again() -> None:
    moved = replace(finished().definition, timezone="Europe/Berlin")
    assert after(finished(), change(finished(), moved, NOW + HOUR, ran=False)).status is JobStatus.FINISHED


def test_a_one_off_becomes_a_series_that_looks_ahead() -> None:
    daily = replace(finished().definition, recurrence="daily")
    assert after(finished(), change(finished(), daily, NOW + HOUR, ran=True)).next_at == NOW + DAY


@pytest.mark.parametrize("ran", [True, False])
def test_a_series_that_becomes_a_one_off_does_not_repeat_its_first_time(ran: bool) -> None:
    """Also where that was skipped, so that no run of it exists."""
    job = settled(a_job(scheduled_at=NOW - 3 * DAY - HOUR, recurrence="daily"), NOW)
    once = replace(job.definition, recurrence="none")
    assert after(job, change(job, once, NOW, ran=ran)).status is JobStatus.FINISHED


def test_a_series_that_becomes_a_one_off_before_it_began_keeps_its_time() -> None:
    job = a_job(scheduled_at=NOW + DAY, recurrence="daily")
    once = replace(job.definition, recurrence="none")
    assert change(job, once, NOW, ran=False) == [JobChanged(definition=once, next_at=NOW + DAY, at=NOW)]


def test_a_series_whose_end_is_moved_before_now_finishes() -> None:
    job = settled(a_job(recurrence="daily"), NOW + DAY)
    ended = replace(job.definition, ends_at=NOW + DAY)
    assert after(job, change(job, ended, NOW + DAY, ran=False)).status is JobStatus.FINISHED


def test_a_change_while_paused_leaves_the_job_paused() -> None:
    job = paused(recurrence="daily")
    for fields in ({"recurrence": "weekly"}, {"ends_at": NOW - HOUR}, {"name": "weekly report"}):
        changed = after(job, change(job, replace(job.definition, **fields), NOW, ran=False))
        assert (changed.status, changed.wake_at) == (JobStatus.PAUSED, None)


# Pausing and resuming


def test_a_paused_job_sleeps_and_keeps_its_place() -> None:
    job = paused(scheduled_at=NOW + HOUR)
    assert (job.status, job.reason, job.next_at, job.wake_at) == (JobStatus.PAUSED, "holidays", NOW + HOUR, None)
    assert pause(job, "again", NOW) == []


def test_what_fell_into_the_pause_is_skipped_and_not_caught_up() -> None:
    now = NOW + 2 * DAY + HOUR
    job = paused(recurrence="daily")
    skipped = skip_due(job, "paused", now)
    assert skipped == [
        OccurrencesSkipped(first=NOW, last=NOW + 2 * DAY, count=3, reason="paused", next_at=NOW + 3 * DAY, at=now)
    ]
    job = after(job, skipped)
    assert resume(job, "back", now) == [JobResumed(reason="back", next_at=NOW + 3 * DAY, at=now)]
    job = after(job, resume(job, "back", now))
    assert (job.status, job.reason, job.wake_at) == (JobStatus.ACTIVE, "back", NOW + 3 * DAY)


def test_a_job_whose_last_time_fell_into_the_pause_finishes_when_it_is_resumed() -> None:
    job = after(paused(), skip_due(paused(), "paused", NOW + HOUR))
    events = resume(job, None, NOW + HOUR)
    assert events == [JobResumed(reason=None, next_at=None, at=NOW + HOUR), JobFinished(at=NOW + HOUR)]
    assert after(job, events).status is JobStatus.FINISHED


def test_an_active_job_cannot_be_resumed_further() -> None:
    assert resume(a_job(), None, NOW) == []


@pytest.mark.parametrize("command", [pause, resume])
def test_a_finished_job_is_neither_paused_nor_resumed(
    command: Callable[[Job, str | None, datetime], list[JobEvent]],
) -> None:
    with pytest.raises(WrongStatus):
        command(finished(), None, NOW)


# Deleting


def test_a_deleted_job_is_deleted_once_and_does_nothing_more() -> None:
    job = deleted()
    assert (job.status, job.next_at, job.wake_at) == (JobStatus.DELETED, None, None)
    assert delete(job, NOW) == []
    refusals: list[Callable[[], object]] = [
        lambda: pause(job, None, NOW),
        lambda: resume(job, None, NOW),
        lambda: change(job, job.definition, NOW, ran=False),
    ]
    for refused in refusals:
        with pytest.raises(JobDeletedAlready):
            refused()


def test_any_other_job_can_be_deleted() -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    for job in (a_job(), paused(), finished()):
        assert delete(job, berlin) == [JobDeleted(at=NOW)]
        assert after(job, delete(job, NOW)).status is JobStatus.DELETED


# Remembering


def test_a_run_moves_the_schedule_on_without_being_an_event_of_the_job() -> None:
    job = a_job(recurrence="daily")
    moved = settled(job, NOW)
    assert (moved.next_at, moved.stream_version, moved.updated_at) == (NOW + DAY, 1, NOW)


def test_a_run_that_a_person_starts_leaves_the_schedule_alone() -> None:
    job = a_job(recurrence="daily")
    (fact,) = trigger_now(job, [], terms(NOW + HOUR), RUN_ID, overlap=Overlap.ALLOW_ALL)
    event = fact.event
    assert isinstance(event, RunDispatched)
    assert evolve(job, event) == job
    assert evolve(job, replace(event, next_at=NOW + 9 * DAY)) == job  # as it stood when the run was decided


def test_a_creation_opens_a_stream_and_does_nothing_else() -> None:
    with pytest.raises(ValueError, match="opens"):
        evolve(a_job(), create(JOB_ID, a_definition(), NOW))


def test_every_event_of_a_job_counts_in_its_stream() -> None:
    job = a_job()
    events: list[JobEvent] = [
        JobPaused(reason=None, at=NOW),
        JobResumed(reason=None, next_at=NOW, at=NOW),
        OccurrencesSkipped(first=NOW, last=NOW, count=1, reason="missed", next_at=None, at=NOW),
        JobFinished(at=NOW),
        JobDeleted(at=NOW),
    ]
    assert after(job, events).stream_version == 6
    assert job_events.stream(JOB_ID) == "job-00000000-0000-0000-0000-000000000007"


def test_a_change_by_a_clock_that_is_behind_names_no_time_that_has_run() -> None:
    """The scheduler's clock said that it was time, and the api's says that it is not yet."""
    behind = NOW - timedelta(milliseconds=2)
    job = settled(a_job(recurrence="daily"), NOW)
    assert job.next_at == NOW + DAY
    (changed,) = change(job, replace(job.definition, ends_at=NOW + 9 * DAY), behind, ran=True)
    assert isinstance(changed, JobChanged)
    assert changed.next_at == NOW + DAY
    (resumed,) = resume(after(job, pause(job, None, behind)), None, behind)
    assert isinstance(resumed, JobResumed)
    assert resumed.next_at == NOW + DAY
