"""Why a run ran, did not, or waits: given these events, these are the sentences."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from duebook_api.why import phrases
from duebook_api.why.facts import Key, QueuePosition
from duebook_common.domain.definition import CatchUp, Concurrency, Overlap
from duebook_common.domain.job.new_runs import trigger_now
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    FirstEvent,
    RunCancelled,
    RunCancelRequested,
    RunDeadLettered,
    RunDiscarded,
    RunEvent,
    RunExpired,
    RunFact,
    RunRedriven,
    RunRequeued,
)
from duebook_common.domain.run.state import Run
from support.samples import DAY, HOUR, MINUTE, NOW, RUN_ID, SECOND, a_definition, a_dispatch, a_job, a_run, terms
from support.whys import a_job_of, says, why_run

BERLIN = a_definition(timezone="Europe/Berlin")
STARTED = AttemptStarted(attempt=1, executor="executor host/1", wake_at=NOW + 30 * SECOND, at=NOW + SECOND)
FAILED = AttemptFailed(attempt=1, error="connection refused", failures=1, retry_at=NOW + MINUTE, at=NOW + 3 * SECOND)
OTHER = UUID(int=99)


def begun(job: Job, *active: Run, now: datetime = NOW + timedelta(milliseconds=20)) -> FirstEvent:
    """The first event of the occurrence that is due."""
    facts = [fact for fact in account(job, active, terms(now)) if isinstance(fact, RunFact)]
    event = facts[-1].event
    assert isinstance(event, FirstEvent)
    return event


def running() -> Run:
    """Another run of the same job, under way."""
    return replace(a_run(STARTED), id=OTHER)


def test_a_run_that_succeeded_ran_because_its_schedule_named_the_time() -> None:
    done = AttemptSucceeded(attempt=1, result=None, at=NOW + 5 * SECOND)
    why = why_run(a_dispatch(), STARTED, done, definition=BERLIN)
    assert (
        why.answer == "It ran, and succeeded at 2026-11-24T01:00:05Z (02:00:05 in Europe/Berlin) in its first attempt."
    )
    assert says(why) == [
        (
            "The schedule names 2026-11-24T01:00:00Z (02:00 in Europe/Berlin); it was sent to the queue “default” at "
            "2026-11-24T01:00:00Z (02:00 in Europe/Berlin)."
        ),
        "Attempt 1 started on the executor host/1.",
        "Attempt 1 succeeded after 4 seconds.",
    ]
    assert [(each.at, each.event) for each in why.because][-1] == (NOW + 5 * SECOND, "AttemptSucceeded")


def test_jitter_is_named_as_what_made_it_later() -> None:
    job = a_job(jitter=HOUR, recurrence="daily")
    due = job.next_due_at
    assert due is not None
    event = begun(job, now=due)
    later = phrases.span(event.due_at - event.nominal_at)
    assert f"names 2026-11-24T01:00:00Z (jitter made it due {later} later); it was sent" in says(why_run(event))[0]


def test_a_failed_attempt_is_told_with_its_error_what_is_left_and_when_the_next_comes() -> None:
    why = why_run(a_dispatch(), STARTED, FAILED, now=NOW + 10 * SECOND)
    assert why.answer == (
        "It waits for its next attempt, in 50 seconds, at 2026-11-24T01:01:00Z: attempt 1 failed with “connection "
        "refused”, and 1 of 4 attempts is used."
    )
    assert says(why)[-1] == (
        "Attempt 1 failed after 2 seconds with “connection refused”; 1 of 4 attempts used, the next is due at "
        "2026-11-24T01:01:00Z."
    )


def test_a_lost_executor_is_named() -> None:
    lost = AttemptLost(attempt=1, error="silent", failures=1, retry_at=NOW + MINUTE, at=NOW + 31 * SECOND)
    assert says(why_run(a_dispatch(), STARTED, lost))[-1] == (
        "The executor host/1 was lost: it gave no sign of life for longer than its lease, so attempt 1 counts as "
        "failed; 1 of 4 attempts used, the next is due at 2026-11-24T01:01:00Z."
    )


def test_a_dead_letter_tells_its_failures_and_what_can_be_done() -> None:
    last = replace(FAILED, failures=4, retry_at=None)
    dead = RunDeadLettered(dispatch=1, failures=4, error=last.error, fingerprint="f", wake_at=NOW, at=last.at)
    why = why_run(a_dispatch(), STARTED, last, dead)
    assert why.answer == (
        "It was given up at 2026-11-24T01:00:03Z after 4 failures, the last of them “connection refused”, and rests as "
        "a dead letter until somebody decides."
    )
    assert f"POST /api/dead-letter/{RUN_ID}/redrive has it tried again" in says(why)[-1]
    hopeless = why_run(a_dispatch(), STARTED, replace(last, failures=1), dead)
    assert "1 of 4 attempts used, but the task said that a further one is of no use" in says(hopeless)[2]
    discarded = why_run(a_dispatch(), STARTED, last, dead, (RunDiscarded(reason="old", at=NOW + HOUR), "key:ops"))
    assert discarded.answer == (
        "It failed with “connection refused”, and the holder of the key “ops” discarded it at 2026-11-24T02:00:00Z, "
        "with the reason “old”."
    )


def test_a_run_that_was_redriven_or_handed_back_says_so_rather_than_that_it_failed() -> None:
    last = replace(FAILED, failures=4, retry_at=None)
    dead = RunDeadLettered(dispatch=1, failures=4, error="boom", fingerprint="f", wake_at=NOW, at=last.at)
    redriven = RunRedriven(max_attempts=4, reason="disk was full", at=NOW + HOUR)
    why = why_run(a_dispatch(), STARTED, last, dead, (redriven, "anonymous"), now=NOW + HOUR)
    assert why.answer == (
        "It waits to be started again, which is due: it was given up, and somebody had it tried again."
    )
    assert says(why)[-1] == "Somebody without a key had it tried again, with the reason “disk was full”."
    released = why_run(a_dispatch(), STARTED, AttemptReleased(attempt=1, at=NOW + 2 * SECOND), now=NOW + 2 * SECOND)
    assert "the executor that had it was stopping, and handed it back" in released.answer


def test_what_was_left_out_names_the_run_that_it_overlapped_with_and_what_that_was_doing() -> None:
    why = why_run(begun(a_job(recurrence="daily"), running()), met=[running()])
    assert why.answer == (
        f"It did not run, because run {OTHER} of the same job was still active when it was due (overlap policy skip: "
        "an occurrence that is due beside an active run is left out)."
    )
    assert says(why)[0] == (
        f"Run {OTHER}, the occurrence of 2026-11-24T01:00:00Z, had been running its attempt 1 since "
        "2026-11-24T01:00:01Z on the executor host/1."
    )
    assert (why.because[0].run_id, why.because[0].event) == (OTHER, None)
    retrying = replace(a_run(STARTED, FAILED), id=OTHER)
    assert (
        "had an attempt that failed with “connection refused” and a further one ahead, due at"
        in says(why_run(begun(a_job(recurrence="daily"), retrying), met=[retrying]))[0]
    )


def test_a_run_that_waits_for_others_of_its_job_names_them_as_they_stand_now() -> None:
    job = a_job(recurrence="daily", overlap=Overlap.BUFFER_ALL)
    why = why_run(begun(job, running()), met=[running()], others=[running()], definition=job.definition)
    assert why.answer == f"It waits until run {OTHER} of the same job has ended."
    assert says(why)[-1].startswith(
        f"Run {OTHER}, the occurrence of 2026-11-24T01:00:00Z, has been running its attempt 1"
    )
    assert (
        "buffer_all: occurrences wait for the active run to end, one after the other), so it had to wait"
        in says(why)[1]
    )


def test_a_run_that_waits_for_a_key_names_its_limit_who_holds_it_and_how_many_are_before_it() -> None:
    event = begun(a_job(concurrency=Concurrency("tenant-7", 1)))
    why = why_run(event, key=Key(held=1, holders=[running()], before=2))
    assert why.answer == (
        "It waits for a place under the concurrency key “tenant-7”: 1 of 1 place is taken, and 2 runs are before it in "
        "the row."
    )
    assert why.because[-1].run_id == OTHER
    assert "holds a place; its status is running" in says(why)[-1]
    free = why_run(event, key=Key(held=0, holders=[], before=0))
    assert free.answer == "It is free to go, and waits for a scheduler to send it to its queue."


def test_a_queued_run_tells_how_many_are_ahead_and_whether_anybody_serves_it() -> None:
    served = QueuePosition(ahead=7, running=3, last_start=NOW, task_seen_at=NOW)
    why = why_run(a_dispatch(), line=served, now=NOW + MINUTE)
    assert why.answer == "It waits in the queue “default” for an executor: 7 runs are ahead of it."
    assert says(why)[1:] == ["In the queue “default” 7 runs are ahead of it, and 3 runs of that queue are running."]
    lonely = why_run(a_dispatch(), line=QueuePosition(ahead=0, running=0, last_start=None, task_seen_at=None))
    assert lonely.answer.endswith("no run is ahead of it, and no executor is known that has the task “log”.")
    assert says(lonely)[2:] == [
        "No executor is known to serve the queue “default”: its DUEBOOK_QUEUES must name it.",
        "No executor has ever said that it knows the task “log”: its DUEBOOK_TASKS must name the module.",
    ]
    gone = why_run(a_dispatch(), line=replace(served, running=0, task_seen_at=NOW), now=NOW + HOUR)
    assert says(gone)[2:] == [
        "An executor last started a run of the queue “default” at 2026-11-24T01:00:00Z.",
        "An executor that knows the task “log” was last seen at 2026-11-24T01:00:00Z.",
    ]


def test_a_message_that_was_sent_again_is_told_by_why_it_was() -> None:
    again = RunRequeued(dispatch=2, wake_at=NOW + HOUR, at=NOW + MINUTE)
    assert says(why_run(a_dispatch(), again))[1] == (
        "Its message seemed to be lost, so it was sent to the queue “default” once more, for the 2. time."
    )
    assert says(why_run(a_dispatch(), STARTED, FAILED, again))[3] == (
        "Its next attempt was due, so it was sent to the queue “default”."
    )
    job = a_job(recurrence="daily", overlap=Overlap.BUFFER_ONE)
    waited = why_run(begun(job, running()), replace(again, dispatch=1), met=[running()])
    assert says(waited)[2] == "What it waited for was over, so it was sent to the queue “default”."


def test_an_occurrence_that_was_missed_and_caught_up_tells_how_late_and_by_which_policy() -> None:
    late = begun(a_job(recurrence="daily"), now=NOW + 2 * DAY + HOUR)
    assert (
        "The schedule names 2026-11-26T01:00:00Z, but no scheduler came round until 1 hour after that. That is more "
        "than the PT1M that still count as on time, so it was missed, and the catch-up policy is to run "
        "the newest that was missed; it was sent"
    ) in says(why_run(late))[0]
    job = a_job(recurrence="daily", catch_up=CatchUp("all"))
    every = begun(job, now=NOW + 2 * DAY + HOUR)
    assert (
        "the catch-up policy is to run every one that was missed; "
        in says(why_run(every, definition=job.definition))[0]
    )


@pytest.mark.parametrize("expires_late", [True, False])
def test_a_deadline_that_passed_is_the_reason(expires_late: bool) -> None:
    job = a_job(start_within=10 * MINUTE)
    events: list[RunEvent] = [begun(job, now=NOW + (0 if expires_late else 1) * HOUR)]
    if expires_late:
        events.append(RunExpired(reason="deadline", at=NOW + HOUR))
    why = why_run(*events, definition=job.definition)
    assert why.answer.startswith("It did not run, because it could not start")
    assert "within its start_within; later it is not wanted" in why.answer
    told = "No attempt had started by 2026-11-24T01:10:00Z, the end of its start_within"
    assert (told if expires_late else "its start_within of PT10M was over, so it was left out") in says(why)[-1]


def test_who_cancelled_it_and_why_is_told_also_where_it_had_to_be_asked_to_stop() -> None:
    at_once = RunCancelled(attempt=None, reason="not needed", at=NOW + SECOND)
    assert why_run(a_dispatch(), (at_once, "key:ops")).answer == (
        "The holder of the key “ops” cancelled it, with the reason “not needed”; that was done at 2026-11-24T01:00:01Z."
    )
    asked = RunCancelRequested(reason=None, at=NOW + 2 * SECOND)
    stopped = RunCancelled(attempt=1, reason=None, at=NOW + 3 * SECOND)
    why = why_run(a_dispatch(), STARTED, (asked, "anonymous"), (stopped, "executor host/1"))
    assert why.answer == (
        "Somebody without a key cancelled it, without giving a reason; that was done at 2026-11-24T01:00:03Z."
    )
    assert says(why)[-1] == "Attempt 1 stopped as it had been asked to, and so the run was cancelled."


def test_a_run_that_made_way_names_the_occurrence_for_which() -> None:
    reason = "made way for the occurrence of 2026-11-25 01:00:00 UTC"
    why = why_run(a_dispatch(), STARTED, RunCancelled(attempt=1, reason=reason, at=NOW + DAY))
    assert why.answer == f"It was cancelled at 2026-11-25T01:00:00Z: it {reason}."
    deleted = why_run(a_dispatch(), RunCancelled(attempt=None, reason="the job was deleted", at=NOW + DAY))
    assert deleted.answer == "It was cancelled at 2026-11-25T01:00:00Z, because the job was deleted."


def test_runs_beside_the_schedule_are_told_as_what_they_are() -> None:
    (fact,) = trigger_now(a_job(), [], terms(dispatch=0), RUN_ID, overlap=Overlap.ALLOW_ALL)
    why = why_run((fact.event, "anonymous"))
    assert why.answer == "It is due, and waits for a scheduler to send it to its queue."
    assert says(why) == [
        (
            "Somebody without a key started it by hand at 2026-11-24T01:00:00Z; it was entered at "
            "2026-11-24T01:00:00Z, for the scheduler to send."
        )
    ]


def test_a_run_goes_by_the_definition_of_its_dispatch_which_is_said_where_the_job_has_changed() -> None:
    changed = replace(a_job_of(a_definition()), version=3)
    assert says(why_run(a_dispatch(), STARTED, job=changed))[-1] == (
        "It goes by version 1 of the job's definition, whatever was changed since."
    )


def test_of_a_long_history_the_beginning_and_the_end_are_told() -> None:
    events: list[RunEvent] = [a_dispatch()]
    for attempt in range(1, 201):
        events.append(replace(STARTED, attempt=attempt))
        events.append(replace(FAILED, attempt=attempt, failures=attempt))
    told = says(why_run(*events))
    assert len(told) == 101
    assert told[5] == "301 further events are left out here; the run's events have them all."


def test_words_of_others_stay_on_one_line_and_within_bounds() -> None:
    why = why_run(a_dispatch(), STARTED, replace(FAILED, error="boom\n\x1b[31m" + "x" * 5000))
    assert all("\n" not in each and "\x1b" not in each and len(each) < 600 for each in says(why))


def test_lengths_of_time_are_said_by_their_largest_units() -> None:
    lengths = [0.02, 1, 1.25, 61, 3600, 90061, 86400 * 3]
    assert [phrases.span(timedelta(seconds=seconds)) for seconds in lengths] == [
        "20 milliseconds", "1 second", "1.2 seconds", "1 minute 1 second", "1 hour", "1 day 1 hour", "3 days",
    ]  # fmt: skip


def test_a_time_is_told_in_utc_and_by_the_clocks_of_the_zone() -> None:
    time = datetime(2026, 3, 29, 23, 30, tzinfo=UTC)
    assert phrases.told(time) == "2026-03-29T23:30:00Z"
    assert phrases.told(time, "Europe/Berlin") == "2026-03-29T23:30:00Z (2026-03-30 01:30 in Europe/Berlin)"
    assert phrases.told(time + timedelta(microseconds=500)) == "2026-03-29T23:30:00.0005Z"
