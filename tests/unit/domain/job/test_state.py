"""The state of a job after each of its events."""

from dataclasses import replace

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.commands import TriggerRun
from duebook_common.domain.job.decide import create, decide
from duebook_common.domain.job.events import (
    JobChanged,
    JobDeleted,
    JobEvent,
    JobFinished,
    JobPaused,
    JobResumed,
    OccurrencesSkipped,
    stream,
)
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.state import JobStatus, evolve, job_after, opened
from duebook_common.domain.run.events import RunCancelled, RunDispatched, RunFact, RunSkipped
from support.samples import DAY, HOUR, JOB_ID, NOW, RUN_ID, a_definition, a_job, context


def test_a_new_job_wakes_at_its_first_nominal_time() -> None:
    job = a_job(scheduled_at=NOW + HOUR)
    assert (job.status, job.version, job.stream_version, job.definition_version) == (JobStatus.ACTIVE, 1, 1, 1)
    assert (job.next_at, job.wake_at, job.created_at, job.updated_at) == (NOW + HOUR, NOW + HOUR, NOW, NOW)
    assert a_job(scheduled_at=NOW - DAY).next_at == NOW - DAY
    assert create(JOB_ID, a_definition(), NOW, "abc").request_hash == "abc"
    assert opened(JOB_ID, create(JOB_ID, a_definition(), NOW, "abc")).request_hash == "abc"


def test_a_one_off_has_finished_once_its_time_is_accounted_for() -> None:
    job = job_after(a_job(), account(a_job(), [], context()))
    assert (job.status, job.next_at, job.wake_at, job.version) == (JobStatus.FINISHED, None, None, 1)


def test_a_change_counts_a_version_and_keeps_the_stream_version_of_its_definition() -> None:
    job = job_after(
        a_job(recurrence="daily"), [JobPaused(reason=None, at=NOW), JobResumed(reason=None, next_at=NOW, at=NOW)]
    )
    wanted = replace(job.definition, name="weekly report")
    changed = evolve(job, JobChanged(definition=wanted, next_at=NOW, at=NOW + HOUR))
    assert (changed.version, changed.stream_version, changed.definition_version) == (2, 4, 4)
    assert changed.definition == wanted
    assert (changed.next_at, changed.updated_at, changed.created_at) == (NOW, NOW + HOUR, NOW)


def test_a_paused_job_keeps_its_next_time_and_does_not_wake() -> None:
    job = evolve(a_job(scheduled_at=NOW + HOUR), JobPaused(reason="holidays", at=NOW))
    assert (job.status, job.reason, job.next_at, job.wake_at) == (JobStatus.PAUSED, "holidays", NOW + HOUR, None)


def test_the_first_event_of_a_scheduled_run_advances_the_schedule() -> None:
    """It is no event of the job's own stream."""
    job = a_job(recurrence="daily")
    moved = job_after(job, account(job, [], context()))
    assert (moved.next_at, moved.stream_version, moved.updated_at, moved.runs) == (NOW + DAY, 1, NOW, 1)


def test_a_skipped_run_does_not_count_towards_max_runs() -> None:
    job = a_job(recurrence="daily", start_within=HOUR)
    (fact,) = account(job, [], context(NOW + 2 * HOUR, misfire=DAY))
    assert isinstance(fact, RunFact)
    assert isinstance(fact.event, RunSkipped)
    assert (job_after(job, [fact]).runs, job_after(job, [fact]).next_at) == (0, NOW + DAY)


def test_a_triggered_run_leaves_the_schedule_alone() -> None:
    job = a_job(recurrence="daily")
    (fact,) = decide(job, [], TriggerRun(RUN_ID, Overlap.ALLOW_ALL, context(NOW + HOUR)))
    assert isinstance(fact, RunFact)
    assert isinstance(fact.event, RunDispatched)
    assert evolve(job, fact.event) == job
    assert evolve(job, replace(fact.event, next_at=NOW + 9 * DAY)) == job  # the value when the run was decided


def test_later_events_of_a_run_leave_the_job_alone() -> None:
    assert job_after(a_job(), [RunFact(RUN_ID, RunCancelled(attempt=None, reason=None, at=NOW))]) == a_job()


def test_a_creation_only_opens_a_stream() -> None:
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
    assert job_after(job, events).stream_version == 6
    assert stream(JOB_ID) == "job-00000000-0000-0000-0000-000000000007"
