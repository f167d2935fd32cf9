"""Why a job runs at a time, does not, or waits: given this history, these are the sentences."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from duebook_api.why import nominal_times, of_job
from duebook_common.domain.definition import CatchUp, Cron, Every
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.events import JobChanged, JobDeleted, JobFinished, JobPaused, OccurrencesSkipped
from duebook_common.domain.job.occurrence import skip_due
from duebook_common.domain.run.events import AttemptStarted, Trigger
from duebook_common.domain.run.state import RunStatus
from support.samples import DAY, HOUR, MINUTE, NOW, SECOND, a_definition, a_run
from support.whys import History, explained, says

DAILY = a_definition(recurrence="daily", timezone="Europe/Berlin")
STARTED = AttemptStarted(attempt=1, executor="executor host/1", wake_at=NOW, at=NOW + SECOND)
PAUSED = JobPaused(reason="the warehouse is being mended", at=NOW + HOUR)
BECAUSE_PAUSED = (
    "because the holder of the key “ops” paused the job at 2026-11-24T02:00:00Z (03:00 in Europe/Berlin), with the "
    "reason “the warehouse is being mended”"
)


def skip(first: datetime, last: datetime, count: int, reason: str, at: datetime) -> OccurrencesSkipped:
    return OccurrencesSkipped(first=first, last=last, count=count, reason=reason, next_at=last + DAY, at=at)


def resumed() -> History:
    """A daily job that ran once, was paused for three days, and goes on."""
    history = History(DAILY)
    history.job = replace(history.job, next_at=NOW + DAY)
    history.then(PAUSED)
    back = NOW + 3 * DAY + HOUR
    for event in [*skip_due(history.job, "paused", back), *job_decide.resume(history.job, "mended", back)]:
        history.then(event)
    return history


def test_a_job_that_is_not_due_tells_when_it_will_be() -> None:
    why = of_job.explain(resumed().facts(NOW + 3 * DAY + 2 * HOUR))
    assert why.answer == "The schedule next names 2026-11-28T01:00:00Z (02:00 in Europe/Berlin), which is in 22 hours."
    assert says(why) == [
        "The holder of the key “ops” created the job at 2026-11-24T01:00:00Z (02:00 in Europe/Berlin).",
        (
            "3 occurrences, from 2026-11-25T01:00:00Z (02:00 in Europe/Berlin) to 2026-11-27T01:00:00Z (02:00 in "
            "Europe/Berlin), were left out, because the job was paused then."
        ),
        (
            "The holder of the key “ops” let the job go on at 2026-11-27T02:00:00Z (03:00 in Europe/Berlin), with the "
            "reason “mended”."
        ),
        "Its schedule: Every day at 02:00 in Europe/Berlin.",
    ]


def test_a_paused_job_tells_who_paused_it_when_and_why() -> None:
    why = of_job.explain(History(DAILY).then(PAUSED).facts(NOW + 2 * HOUR))
    assert why.answer == f"No run is due until it is resumed, {BECAUSE_PAUSED}."
    by_itself = History(DAILY).then(replace(PAUSED, reason="run 8 was dead-lettered: boom"), by="executor host/1")
    assert of_job.explain(by_itself.facts(NOW + 2 * HOUR)).answer == (
        "No run is due until it is resumed, because the job was paused by a failure at 2026-11-24T02:00:00Z "
        "(03:00 in Europe/Berlin), with the reason “run 8 was dead-lettered: boom”."
    )


def test_a_job_that_is_over_tells_what_ended_it() -> None:
    once = History(a_definition()).then(JobFinished(at=NOW))
    assert (
        of_job.explain(once.facts(NOW)).answer == "The job has finished: it was to run once, at 2026-11-24T01:00:00Z."
    )
    counted = History(replace(DAILY, max_runs=3))
    counted.job = replace(counted.job, runs=3)
    counted.then(JobFinished(at=NOW))
    why = of_job.explain(counted.facts(NOW))
    assert why.answer == "The job has finished: it has had the 3 runs that its max_runs grants."
    assert says(why)[-1].endswith("; it has had 3 of the 3 runs that max_runs grants.")
    ended = History(replace(DAILY, timezone="UTC", ends_at=NOW + DAY)).then(JobFinished(at=NOW + DAY))
    assert of_job.explain(ended.facts(NOW + 2 * DAY)).answer == (
        "The job has finished: its schedule names no further time up to its end (ends_at), 2026-11-25T01:00:00Z."
    )
    gone = History(replace(DAILY, timezone="UTC")).then(JobDeleted(at=NOW + HOUR), by="anonymous")
    assert of_job.explain(gone.facts(NOW + DAY)).answer == (
        "No further run starts, because somebody without a key deleted the job at 2026-11-24T02:00:00Z."
    )


def test_a_job_whose_run_is_active_tells_of_that_run_too() -> None:
    history = History(DAILY)
    history.job = replace(history.job, next_at=NOW + DAY)
    run = a_run(STARTED)
    why = of_job.explain(history.facts(NOW + HOUR, explained(run, "It is running."), explained(run, "It waits.")))
    assert why.answer == (
        f"Its run {run.id} is active, and so is 1 other. It is running. The schedule next names "
        "2026-11-25T01:00:00Z (02:00 in Europe/Berlin), which is in 23 hours."
    )
    assert [each.run_id for each in why.because][-2:] == [run.id, run.id]


def test_a_job_that_is_over_tells_of_its_last_run_and_one_whose_run_goes_on_of_that_first() -> None:
    once = History(a_definition()).then(JobFinished(at=NOW))
    dead = replace(a_run(), status=RunStatus.DEAD_LETTERED)
    assert of_job.explain(once.facts(NOW, explained(dead, "It was given up."))).answer == (
        "The job has finished: it was to run once, at 2026-11-24T01:00:00Z. Its last run: It was given up."
    )
    assert of_job.explain(once.facts(NOW, explained(a_run(), "It waits."))).answer == (
        f"Its run {a_run().id} is active. It waits. The job has finished: it was to run once, at 2026-11-24T01:00:00Z."
    )


def test_times_before_the_job_was_created_were_past_then_and_nobody_was_late() -> None:
    history = History(replace(DAILY, timezone="UTC"), at=NOW + 3 * DAY)
    history.then(skip(NOW, NOW + DAY, 2, "missed", NOW + 3 * DAY), by="scheduler host-1")
    assert history.why_at(NOW + DAY, NOW + 4 * DAY).answer == (
        "It did not run, because that was past when the job was created, and the job's catch-up policy (latest) runs "
        "only the newest one that was missed."
    )


def test_of_a_whole_second_the_time_within_it_is_meant() -> None:
    odd = a_definition(scheduled_at=NOW + timedelta(microseconds=824349), recurrence="daily")
    assert nominal_times.meant(odd, NOW + DAY) == NOW + DAY + timedelta(microseconds=824349)
    assert nominal_times.meant(odd, NOW + DAY + SECOND) == NOW + DAY + SECOND
    assert nominal_times.meant(odd, NOW + timedelta(microseconds=1)) == NOW + timedelta(microseconds=1)


def test_an_occurrence_that_no_scheduler_came_to_is_overdue() -> None:
    history = History(replace(DAILY, timezone="UTC"))
    assert of_job.explain(history.facts(NOW + 2 * MINUTE)).answer == (
        "The occurrence of 2026-11-24T01:00:00Z has been due for 2 minutes and waits for a scheduler: they are away, "
        "or behind, or its queue is full."
    )
    assert history.why_at(NOW, NOW + 2 * MINUTE).answer == (
        "It has been due for 2 minutes and waits for a scheduler: they are away, or behind, or its queue is full."
    )


def test_jitter_is_named_where_it_makes_the_next_occurrence_later() -> None:
    history = History(a_definition(recurrence="daily", jitter=HOUR))
    due = history.job.next_due_at
    assert due is not None
    assert f"(jitter makes it due at {due:%Y-%m-%dT%H:%M:%SZ})" in of_job.explain(history.facts(NOW)).answer
    assert f"(jitter makes it due at {due:%Y-%m-%dT%H:%M:%SZ})" in history.why_at(NOW, NOW - HOUR).answer


# --- at a time ----------------------------------------------------------------------------------------------


def test_a_time_that_fell_into_a_pause_tells_whose_and_why() -> None:
    why = resumed().why_at(NOW + 2 * DAY, NOW + 4 * DAY)
    assert why.answer == f"It did not run, {BECAUSE_PAUSED}."
    assert [each.event for each in why.because] == ["JobCreated", "JobPaused", "OccurrencesSkipped"]


def test_a_time_of_a_pause_that_goes_on_is_told_as_one() -> None:
    history = History(DAILY).then(PAUSED)
    assert history.why_at(NOW + DAY, NOW + 2 * DAY).answer == f"It does not run, {BECAUSE_PAUSED}."
    assert history.why_at(NOW + DAY, NOW + 2 * HOUR).answer == (
        f"It will not run unless the job is resumed before, {BECAUSE_PAUSED}."
    )


def test_what_had_to_wait_when_the_job_was_paused_is_the_fault_of_that_pause_and_not_of_an_earlier_one() -> None:
    history = resumed()
    history.then(skip(NOW + 4 * DAY, NOW + 4 * DAY, 1, "paused", NOW + 4 * DAY + HOUR))
    history.then(JobPaused(reason="again", at=NOW + 4 * DAY + HOUR), by="anonymous")
    assert "because somebody without a key paused the job" in history.why_at(NOW + 4 * DAY, NOW + 5 * DAY).answer


def test_what_was_missed_tells_of_the_schedulers_and_the_policy() -> None:
    daily = replace(DAILY, timezone="UTC")
    reasons = {
        "missed": "no scheduler came round in time, and the job's catch-up policy (latest) runs only the newest "
        "one that was missed",
        "window": "no scheduler came round in time, and it lay outside the job's catch-up window of P365D then",
        "max_runs": "the job had had the 2 runs that its max_runs grants",
    }
    for reason, told in reasons.items():
        history = History(replace(daily, max_runs=2)).then(skip(NOW, NOW + DAY, 2, reason, NOW + 3 * DAY))
        assert history.why_at(NOW + DAY, NOW + 4 * DAY).answer == f"It did not run, because {told}."
    none = History(replace(daily, catch_up=CatchUp("none"))).then(skip(NOW, NOW, 1, "missed", NOW + HOUR))
    assert "the job's catch-up policy (none) makes up for nothing" in none.why_at(NOW, NOW + DAY).answer


def test_what_a_deletion_left_out_names_who_deleted_the_job() -> None:
    history = History(DAILY).then(skip(NOW, NOW, 1, "deleted", NOW + SECOND)).then(JobDeleted(at=NOW + SECOND))
    assert "because the holder of the key “ops” deleted the job" in history.why_at(NOW, NOW + DAY).answer
    assert history.why_at(NOW + DAY, NOW + HOUR).answer.startswith("No run of it will come, because the holder of")
    unnamed = history.why_at(NOW + DAY + SECOND, NOW + 2 * DAY).answer
    assert "and the job was gone: the holder of the key “ops” deleted the job" in unnamed


def test_what_the_schedule_does_not_name_tells_the_nearest_times() -> None:
    assert History(DAILY).why_at(NOW + HOUR, NOW + DAY).answer == (
        "The schedule names no time at 2026-11-24T02:00:00Z (03:00 in Europe/Berlin); the nearest are "
        "2026-11-24T01:00:00Z (02:00 in Europe/Berlin) and 2026-11-25T01:00:00Z (02:00 in Europe/Berlin)."
    )
    once = History(a_definition())
    assert once.why_at(NOW + HOUR, NOW).answer.endswith("the nearest is 2026-11-24T01:00:00Z.")
    rare = History(a_definition(recurrence=Cron("0 0 29 2 *")))
    assert rare.why_at(datetime.fromisoformat("2030-01-01T00:00:00Z"), NOW).answer.endswith(
        "the nearest are 2028-02-29T00:00:00Z and 2032-02-29T00:00:00Z."
    )


def test_a_time_is_judged_by_the_definition_in_force_then() -> None:
    history = History(replace(DAILY, timezone="UTC"))
    hourly = replace(DAILY, timezone="UTC", recurrence=Every(HOUR))
    history.job = replace(history.job, next_at=NOW + DAY)
    history.then(JobChanged(definition=hourly, next_at=NOW + 13 * HOUR, at=NOW + 12 * HOUR + SECOND))
    assert history.why_at(NOW + 6 * HOUR, NOW + 2 * DAY).answer == (
        "The schedule in force then named no time at 2026-11-24T07:00:00Z (the nearest are 2026-11-24T01:00:00Z and "
        "2026-11-25T01:00:00Z), though today's does: the holder of the key “ops” changed the job's definition at "
        "2026-11-24T13:00:01Z."
    )
    ahead = history.why_at(NOW + 15 * HOUR, NOW + 12 * HOUR + SECOND)
    assert ahead.answer == "It lies ahead: the schedule names 2026-11-24T16:00:00Z, which is in 2 hours 59 minutes."
    assert says(ahead)[-1] == "2 occurrences of the job are to come before it."


def test_beyond_its_end_before_its_beginning_and_before_the_job_there_is_nothing() -> None:
    history = History(replace(DAILY, timezone="UTC", scheduled_at=NOW + DAY, ends_at=NOW + 3 * DAY + HOUR))
    assert history.why_at(NOW + 4 * DAY, NOW).answer == (
        "The schedule does not go on until 2026-11-28T01:00:00Z: it ends at 2026-11-27T02:00:00Z (ends_at)."
    )
    assert history.why_at(NOW + HOUR, NOW).answer.endswith("; the nearest is 2026-11-25T01:00:00Z.")
    assert history.why_at(NOW - DAY, NOW).answer == (
        "The job did not exist then: the holder of the key “ops” created the job at 2026-11-24T01:00:00Z; its first "
        "time is 2026-11-25T01:00:00Z."
    )


def test_a_time_that_max_runs_will_not_reach_is_told_as_such() -> None:
    history = History(replace(DAILY, timezone="UTC", max_runs=3))
    assert history.why_at(NOW + 3 * DAY, NOW).answer == (
        "It will hardly run, because 3 occurrences of the job are to come before it, and max_runs grants only 3 "
        "further runs."
    )
    assert history.why_at(NOW + 2 * DAY, NOW).answer.startswith("It lies ahead")


def test_a_time_far_away_of_a_busy_schedule_costs_no_time() -> None:
    history = History(a_definition(recurrence=Every(SECOND)))
    assert history.why_at(datetime.fromisoformat("9000-01-01T00:00:00Z"), NOW).answer.startswith("It lies ahead")


def test_the_runs_of_a_time_are_told_together_in_the_order_of_the_log() -> None:
    first = a_run()
    again = replace(first, id=UUID(int=77), trigger=Trigger.BACKFILL)
    why = History(DAILY).why_at(
        NOW, NOW + DAY, explained(first, "It was given up."), explained(again, "It ran, and succeeded.")
    )
    assert why.answer == (
        f"It was given up. There is also run {again.id}, made to make up for it: It ran, and succeeded."
    )
