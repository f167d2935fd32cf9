"""Why a job ran at a time, did not, or will: these events yield these sentences."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest

from duebook_common.domain.definition import CatchUp, Cron, Every
from duebook_common.domain.job.events import JobChanged, JobDeleted, JobPaused, OccurrencesSkipped
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.events import Trigger
from support.explanations import DAILY, PAUSED, JobHistory, explained, resumed, texts
from support.samples import DAY, HOUR, MINUTE, NOW, SECOND, a_definition, a_run

DAILY_UTC = replace(DAILY, timezone="UTC")
BECAUSE_PAUSED = (
    "because API key “ops” paused the job at 2026-11-24T02:00:00Z (03:00 in Europe/Berlin), with the reason “the "
    "warehouse is being mended”"
)


def skip(first: datetime, last: datetime, count: int, reason: str, at: datetime) -> OccurrencesSkipped:
    return OccurrencesSkipped(first=first, last=last, count=count, reason=reason, next_at=last + DAY, at=at)


# --- skipped ------------------------------------------------------------------------------------------------


def test_a_time_during_a_pause_says_who_paused_the_job_and_why() -> None:
    why = resumed().explain_at(NOW + 2 * DAY, NOW + 4 * DAY)
    assert why.answer == f"It did not run, {BECAUSE_PAUSED}."
    assert [cause.event for cause in why.causes] == ["JobCreated", "JobPaused", "OccurrencesSkipped"]


def test_a_time_during_a_pause_that_goes_on_is_not_recorded_yet() -> None:
    history = JobHistory(DAILY).then(PAUSED)
    assert history.explain_at(NOW + DAY, NOW + 2 * DAY).answer == f"It did not run, {BECAUSE_PAUSED}."
    assert history.explain_at(NOW + DAY, NOW + 2 * HOUR).answer == (
        f"It will not run unless the job is resumed before, {BECAUSE_PAUSED}."
    )


def test_an_occurrence_skipped_at_a_pause_names_that_pause_and_no_earlier_one() -> None:
    history = resumed()
    history.then(skip(NOW + 4 * DAY, NOW + 4 * DAY, 1, "paused", NOW + 4 * DAY + HOUR))
    history.then(JobPaused(reason="again", at=NOW + 4 * DAY + HOUR), by="anonymous")
    answer = history.explain_at(NOW + 4 * DAY, NOW + 5 * DAY).answer
    assert "because a client without an API key paused the job" in answer


@pytest.mark.parametrize(
    ("reason", "clause"),
    [
        (
            "missed",
            (
                "the schedulers were late, and the job's catch-up policy (latest) runs only the newest missed "
                "occurrence, and none where another one is on time"
            ),
        ),
        ("window", "the schedulers were late, and the job's catch-up window of 365 days was over"),
        ("max_runs", "the job had used the 2 runs that max_runs allows"),
    ],
)
def test_a_missed_occurrence_names_the_policy(reason: str, clause: str) -> None:
    history = JobHistory(replace(DAILY_UTC, max_runs=2)).then(skip(NOW, NOW + DAY, 2, reason, NOW + 3 * DAY))
    assert history.explain_at(NOW + DAY, NOW + 4 * DAY).answer == f"It did not run, because {clause}."


def test_without_catch_up_no_missed_occurrence_runs() -> None:
    no_catch_up = replace(DAILY_UTC, catch_up=CatchUp("none"))
    history = JobHistory(no_catch_up).then(skip(NOW, NOW, 1, "missed", NOW + HOUR))
    assert "catch-up policy (none) runs no missed occurrence" in history.explain_at(NOW, NOW + DAY).answer


def test_times_before_the_creation_were_not_late() -> None:
    history = JobHistory(DAILY_UTC, at=NOW + 3 * DAY)
    history.then(skip(NOW, NOW + DAY, 2, "missed", NOW + 3 * DAY), by="scheduler host-1")
    assert history.explain_at(NOW + DAY, NOW + 4 * DAY).answer == (
        "It did not run, because the job was created after that, and the job's catch-up policy (latest) runs only the "
        "newest missed occurrence, and none where another one is on time."
    )


def test_an_occurrence_that_a_deletion_skipped_says_who_deleted_the_job() -> None:
    history = JobHistory(DAILY).then(skip(NOW, NOW, 1, "deleted", NOW + SECOND)).then(JobDeleted(at=NOW + SECOND))
    assert "because API key “ops” deleted the job" in history.explain_at(NOW, NOW + DAY).answer
    assert history.explain_at(NOW + DAY, NOW + HOUR).answer.startswith("It will not run, because API key “ops” deleted")
    not_nominal = history.explain_at(NOW + DAY + SECOND, NOW + 2 * DAY).answer
    assert "and the job was deleted by then: API key “ops” deleted the job" in not_nominal


# --- to come ------------------------------------------------------------------------------------------------


def test_an_overdue_time_waits_for_a_scheduler() -> None:
    assert JobHistory(DAILY_UTC).explain_at(NOW, NOW + 2 * MINUTE).answer == (
        "It has been due for 2 minutes and waits for a scheduler: none is running, they are behind, or its queue is "
        "full."
    )


def test_jitter_is_mentioned_if_it_delays_the_occurrence() -> None:
    history = JobHistory(a_definition(recurrence="daily", jitter=HOUR))
    due = history.job.next_due_at
    assert due is not None
    assert f"(due at {due:%Y-%m-%dT%H:%M:%SZ} because of jitter)" in history.explain_at(NOW, NOW - HOUR).answer


def test_a_time_that_max_runs_will_not_reach_says_so() -> None:
    history = JobHistory(replace(DAILY_UTC, max_runs=3))
    assert history.explain_at(NOW + 3 * DAY, NOW).answer == (
        "It will probably not run, because 3 occurrences of the job are to come before it, and max_runs allows only 3 "
        "further runs."
    )
    assert history.explain_at(NOW + 2 * DAY, NOW).answer.startswith("It is scheduled for ")


def test_a_distant_time_of_a_frequent_schedule_is_not_counted() -> None:
    history = JobHistory(a_definition(recurrence=Every(SECOND)))
    distant = datetime.fromisoformat("9000-01-01T00:00:00Z")
    assert history.explain_at(distant, NOW).answer.startswith("It is scheduled for 9000-01-01T00:00:00Z, which is in ")


# --- not nominal --------------------------------------------------------------------------------------------


def test_a_time_that_is_not_on_the_schedule_names_the_nearest_ones() -> None:
    assert JobHistory(DAILY).explain_at(NOW + HOUR, NOW + DAY).answer == (
        "The schedule does not include 2026-11-24T02:00:00Z (03:00 in Europe/Berlin); the nearest times are "
        "2026-11-24T01:00:00Z (02:00 in Europe/Berlin) and 2026-11-25T01:00:00Z (02:00 in Europe/Berlin)."
    )
    once = JobHistory(a_definition())
    assert once.explain_at(NOW + HOUR, NOW).answer.endswith("the nearest time is 2026-11-24T01:00:00Z.")
    rare = JobHistory(a_definition(recurrence=Cron("0 0 29 2 *")))
    assert rare.explain_at(datetime.fromisoformat("2030-01-01T00:00:00Z"), NOW).answer.endswith(
        "the nearest times are 2028-02-29T00:00:00Z and 2032-02-29T00:00:00Z."
    )


def test_the_definition_in_force_at_the_time_decides() -> None:
    history = JobHistory(DAILY_UTC)
    hourly = replace(DAILY_UTC, recurrence=Every(HOUR))
    history.job = replace(history.job, next_at=NOW + DAY)
    history.then(JobChanged(definition=hourly, next_at=NOW + 13 * HOUR, at=NOW + 12 * HOUR + SECOND))
    assert history.explain_at(NOW + 6 * HOUR, NOW + 2 * DAY).answer == (
        "The schedule in force then did not include 2026-11-24T07:00:00Z (the nearest times are 2026-11-24T01:00:00Z "
        "and 2026-11-25T01:00:00Z), though the present one does: API key “ops” changed the job's definition at "
        "2026-11-24T13:00:01Z."
    )
    ahead = history.explain_at(NOW + 15 * HOUR, NOW + 12 * HOUR + SECOND)
    assert ahead.answer == "It is scheduled for 2026-11-24T16:00:00Z, which is in 2 hours 59 minutes."
    assert texts(ahead)[-1] == "2 occurrences of the job are to come before it."


def test_a_time_after_the_end_or_before_the_start_or_the_creation_says_so() -> None:
    history = JobHistory(replace(DAILY_UTC, scheduled_at=NOW + DAY, ends_at=NOW + 3 * DAY + HOUR))
    assert history.explain_at(NOW + 4 * DAY, NOW).answer == (
        "The schedule ends at 2026-11-27T02:00:00Z (ends_at), before 2026-11-28T01:00:00Z."
    )
    assert history.explain_at(NOW + HOUR, NOW).answer.endswith("is 2026-11-25T01:00:00Z.")
    assert history.explain_at(NOW - DAY, NOW).answer == (
        "The job did not exist then: API key “ops” created the job at 2026-11-24T01:00:00Z; its first time is "
        "2026-11-25T01:00:00Z."
    )


# --- runs ---------------------------------------------------------------------------------------------------


def test_all_runs_of_a_time_are_explained() -> None:
    first = a_run()
    again = replace(first, id=UUID(int=77), trigger=Trigger.BACKFILL)
    runs = explained(first, "It was dead-lettered."), explained(again, "It ran and succeeded.")
    assert JobHistory(DAILY).explain_at(NOW, NOW + DAY, *runs).answer == (
        f"It was dead-lettered. There is also run {again.id}, a backfill: It ran and succeeded."
    )


def test_a_time_in_a_pause_of_its_queue_waits_for_the_resume() -> None:
    history = JobHistory(DAILY_UTC)
    history.queue_pause = Pause("default", 1, NOW - HOUR, "the provider is down", "key:ops")
    assert history.explain_at(NOW, NOW + HOUR).answer == (
        "It has been due for 1 hour, and runs once that is over: the queue “default” is paused by API key “ops” since "
        "2026-11-24T00:00:00Z: “the provider is down”."
    )
    assert "the queue “default” is paused" in texts(history.explain_at(NOW + DAY, NOW + HOUR))[-1].lower()
