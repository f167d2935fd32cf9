"""Why a job does not run now, or when it will: these events yield these sentences."""

from dataclasses import replace
from datetime import datetime

from duebook_api.why import of_job
from duebook_common.domain.job.events import JobDeleted, JobFinished
from duebook_common.domain.run.events import AttemptStarted
from duebook_common.domain.run.state import RunStatus
from support.explanations import DAILY, PAUSED, JobHistory, explained, resumed, texts
from support.samples import DAY, HOUR, MINUTE, NOW, SECOND, a_definition, a_run

STARTED = AttemptStarted(attempt=1, executor="executor host/1", wake_at=NOW, at=NOW + SECOND)


def answer(history: JobHistory, now: datetime = NOW) -> str:
    return of_job.explain(history.context(now)).answer


def test_a_job_that_is_not_due_says_when_it_will_be() -> None:
    why = of_job.explain(resumed().context(NOW + 3 * DAY + 2 * HOUR))
    assert why.answer == (
        "The next occurrence is at 2026-11-28T01:00:00Z (02:00 in Europe/Berlin), which is in 22 hours."
    )
    assert texts(why) == [
        "API key “ops” created the job at 2026-11-24T01:00:00Z (02:00 in Europe/Berlin).",
        (
            "3 occurrences, from 2026-11-25T01:00:00Z (02:00 in Europe/Berlin) to 2026-11-27T01:00:00Z (02:00 in "
            "Europe/Berlin), were skipped, because the job was paused."
        ),
        ("API key “ops” resumed the job at 2026-11-27T02:00:00Z (03:00 in Europe/Berlin), with the reason “mended”."),
        "Its schedule: Every day at 02:00 in Europe/Berlin.",
    ]


def test_a_paused_job_says_who_paused_it_when_and_why() -> None:
    assert answer(JobHistory(DAILY).then(PAUSED), NOW + 2 * HOUR) == (
        "No run is due until the job is resumed, because API key “ops” paused the job at 2026-11-24T02:00:00Z (03:00 "
        "in Europe/Berlin), with the reason “the warehouse is being mended”."
    )


def test_a_job_paused_by_a_failure_says_so() -> None:
    by_failure = JobHistory(DAILY).then(replace(PAUSED, reason="run 8 was dead-lettered: boom"), by="executor host/1")
    assert answer(by_failure, NOW + 2 * HOUR) == (
        "No run is due until the job is resumed, because a failure paused the job at 2026-11-24T02:00:00Z (03:00 in "
        "Europe/Berlin), with the reason “run 8 was dead-lettered: boom”."
    )


def test_a_finished_one_off_says_when_it_was_to_run() -> None:
    once = JobHistory(a_definition()).then(JobFinished(at=NOW))
    assert answer(once) == "The job has finished: it was to run once, at 2026-11-24T01:00:00Z."


def test_a_job_finished_by_max_runs_says_how_many_it_used() -> None:
    counted = JobHistory(replace(DAILY, max_runs=3))
    counted.job = replace(counted.job, runs=3)
    why = of_job.explain(counted.then(JobFinished(at=NOW)).context(NOW))
    assert why.answer == "The job has finished: it has used the 3 runs that max_runs allows."
    assert texts(why)[-1].endswith("; it has used 3 of the 3 runs that max_runs allows.")


def test_a_job_finished_by_ends_at_says_when_that_was() -> None:
    ended = JobHistory(replace(DAILY, timezone="UTC", ends_at=NOW + DAY)).then(JobFinished(at=NOW + DAY))
    assert answer(ended, NOW + 2 * DAY) == (
        "The job has finished: its schedule has no further time until its end (ends_at), 2026-11-25T01:00:00Z."
    )


def test_a_deleted_job_says_who_deleted_it() -> None:
    deleted = JobHistory(replace(DAILY, timezone="UTC")).then(JobDeleted(at=NOW + HOUR), by="anonymous")
    assert answer(deleted, NOW + DAY) == (
        "No further run will start, because a client without an API key deleted the job at 2026-11-24T02:00:00Z."
    )


def test_a_job_with_an_active_run_explains_that_run_too() -> None:
    history = JobHistory(DAILY)
    history.job = replace(history.job, next_at=NOW + DAY)
    run = a_run(STARTED)
    runs = explained(run, "It is running."), explained(run, "It waits.")
    why = of_job.explain(history.context(NOW + HOUR, *runs))
    assert why.answer == (
        f"Its run {run.id} is active, and so is 1 other. It is running. The next occurrence is at "
        "2026-11-25T01:00:00Z (02:00 in Europe/Berlin), which is in 23 hours."
    )
    assert [cause.run_id for cause in why.causes][-2:] == [run.id, run.id]


def test_a_finished_job_explains_its_last_run_or_first_the_active_one() -> None:
    once = JobHistory(a_definition()).then(JobFinished(at=NOW))
    dead = replace(a_run(), status=RunStatus.DEAD_LETTERED)
    assert of_job.explain(once.context(NOW, explained(dead, "It was dead-lettered."))).answer == (
        "The job has finished: it was to run once, at 2026-11-24T01:00:00Z. Its last run: It was dead-lettered."
    )
    assert of_job.explain(once.context(NOW, explained(a_run(), "It waits."))).answer == (
        f"Its run {a_run().id} is active. It waits. The job has finished: it was to run once, at 2026-11-24T01:00:00Z."
    )


def test_an_overdue_occurrence_waits_for_a_scheduler() -> None:
    assert answer(JobHistory(replace(DAILY, timezone="UTC")), NOW + 2 * MINUTE) == (
        "The occurrence of 2026-11-24T01:00:00Z has been due for 2 minutes and waits for a scheduler: none is running, "
        "they are behind, or its queue is full."
    )


def test_jitter_is_mentioned_if_it_delays_the_next_occurrence() -> None:
    history = JobHistory(a_definition(recurrence="daily", jitter=HOUR))
    due = history.job.next_due_at
    assert due is not None
    assert f"01:00:00Z (due at {due:%Y-%m-%dT%H:%M:%SZ} because of jitter), which is in" in answer(history)
