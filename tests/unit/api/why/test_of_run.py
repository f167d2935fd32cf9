"""Why a run ran, did not, or waits: these events yield these sentences."""

from dataclasses import replace

import pytest

from duebook_common.domain.definition import Overlap
from duebook_common.domain.run.events import (
    AttemptLost,
    AttemptReleased,
    AttemptSucceeded,
    RunCancelled,
    RunCancelRequested,
    RunDeadLettered,
    RunDiscarded,
    RunEvent,
    RunExpired,
    RunRedriven,
    RunRequeued,
)
from duebook_common.domain.run.losses import EXECUTOR_ENDED
from support.explanations import FAILED, STARTED, a_job_of, explain_run, first_event, running, texts
from support.samples import DAY, HOUR, MINUTE, NOW, RUN_ID, SECOND, a_definition, a_dispatch, a_job

BERLIN = a_definition(timezone="Europe/Berlin")


def test_a_successful_run_says_when_it_was_scheduled_and_ran() -> None:
    done = AttemptSucceeded(attempt=1, result=None, at=NOW + 5 * SECOND)
    why = explain_run(a_dispatch(), STARTED, done, definition=BERLIN)
    assert (
        why.answer == "It ran and succeeded at 2026-11-24T01:00:05Z (02:00:05 in Europe/Berlin) in its first attempt."
    )
    assert texts(why) == [
        (
            "The schedule has an occurrence at 2026-11-24T01:00:00Z (02:00 in Europe/Berlin); it was sent to the queue "
            "“default” at 2026-11-24T01:00:00Z (02:00 in Europe/Berlin)."
        ),
        "Attempt 1 started on the executor host/1.",
        "Attempt 1 succeeded after 4 seconds.",
    ]
    assert [(each.at, each.event) for each in why.causes][-1] == (NOW + 5 * SECOND, "AttemptSucceeded")


def test_a_later_attempt_names_the_failures_before_it_only_if_some_are_charged() -> None:
    again = replace(STARTED, attempt=2, at=NOW + 90 * SECOND)
    requeued = RunRequeued(dispatch=1, at=NOW + 60 * SECOND, wake_at=NOW + HOUR)
    assert texts(explain_run(a_dispatch(), STARTED, FAILED, requeued, again))[-1].endswith("after 1 failure.")
    released = AttemptReleased(attempt=1, at=NOW + 30 * SECOND)
    why = explain_run(a_dispatch(), STARTED, released, requeued, again)
    assert texts(why)[-1] == "Attempt 2 started on the executor host/1."


def test_a_failed_attempt_has_its_error_the_attempts_used_and_the_next() -> None:
    why = explain_run(a_dispatch(), STARTED, FAILED, now=NOW + 10 * SECOND)
    assert why.answer == (
        "It waits for its next attempt, in 50 seconds, at 2026-11-24T01:01:00Z: attempt 1 failed with “connection "
        "refused”, and 1 of 4 attempts is used."
    )
    assert texts(why)[-1] == (
        "Attempt 1 failed after 2 seconds with “connection refused”; 1 of 4 attempts used, the next is due at "
        "2026-11-24T01:01:00Z."
    )


def test_a_lost_attempt_names_its_executor() -> None:
    lost = AttemptLost(attempt=1, error="silent", failures=1, retry_at=NOW + MINUTE, at=NOW + 31 * SECOND)
    assert texts(explain_run(a_dispatch(), STARTED, lost))[-1] == (
        "The executor host/1 was lost: it did not renew its lease in time, so attempt 1 counts as failed; "
        "1 of 4 attempts used, the next is due at 2026-11-24T01:01:00Z."
    )
    ended = replace(lost, error=EXECUTOR_ENDED)
    assert texts(explain_run(a_dispatch(), STARTED, ended))[-1].startswith(
        "The executor host/1 ended, so attempt 1 counts as failed; "
    )


def test_a_dead_letter_has_its_failures_and_what_can_be_done() -> None:
    last = replace(FAILED, failures=4, retry_at=None)
    dead = RunDeadLettered(dispatch=1, failures=4, error=last.error, fingerprint="f", wake_at=NOW, at=last.at)
    why = explain_run(a_dispatch(), STARTED, last, dead)
    assert why.answer == (
        "It was dead-lettered at 2026-11-24T01:00:03Z after 4 failures, the last one “connection refused”, and stays "
        "so until it is redriven or discarded."
    )
    assert f"POST /api/dead-letter/{RUN_ID}/redrive runs it again" in texts(why)[-1]
    hopeless = explain_run(a_dispatch(), STARTED, replace(last, failures=1), dead)
    assert "1 of 4 attempts used, but the task ruled out a retry" in texts(hopeless)[2]
    discarded = explain_run(a_dispatch(), STARTED, last, dead, (RunDiscarded(reason="old", at=NOW + HOUR), "key:ops"))
    assert discarded.answer == (
        "It failed with “connection refused”, and API key “ops” discarded it at 2026-11-24T02:00:00Z, "
        "with the reason “old”."
    )


def test_a_redriven_or_released_run_says_so_instead_of_its_failure() -> None:
    last = replace(FAILED, failures=4, retry_at=None)
    dead = RunDeadLettered(dispatch=1, failures=4, error="boom", fingerprint="f", wake_at=NOW, at=last.at)
    redriven = RunRedriven(max_attempts=4, reason="disk was full", at=NOW + HOUR)
    why = explain_run(a_dispatch(), STARTED, last, dead, (redriven, "anonymous"), now=NOW + HOUR)
    assert why.answer == ("It waits to be started again, due now: it was dead-lettered, and then redriven.")
    assert texts(why)[-1] == "A client without an API key redrove it, with the reason “disk was full”."
    released = explain_run(a_dispatch(), STARTED, AttemptReleased(attempt=1, at=NOW + 2 * SECOND), now=NOW + 2 * SECOND)
    assert "its executor was stopping, or had no slot for it, and released it" in released.answer


def test_a_message_that_was_sent_again_says_why() -> None:
    again = RunRequeued(dispatch=2, wake_at=NOW + HOUR, at=NOW + MINUTE)
    assert texts(explain_run(a_dispatch(), again))[1] == (
        "Its message seemed to be lost, so it was sent to the queue “default” again, for the second time."
    )
    assert texts(explain_run(a_dispatch(), STARTED, FAILED, again))[3] == (
        "Its next attempt was due, so it was sent to the queue “default”."
    )
    job = a_job(recurrence="daily", overlap=Overlap.BUFFER_ONE)
    waited = explain_run(first_event(job, running()), replace(again, dispatch=1), met=[running()])
    assert texts(waited)[2] == "It no longer had to wait, so it was sent to the queue “default”."


@pytest.mark.parametrize("expires_late", [True, False])
def test_a_deadline_that_passed_is_the_reason(expires_late: bool) -> None:
    job = a_job(start_within=10 * MINUTE)
    events: list[RunEvent] = [first_event(job, now=NOW + (0 if expires_late else 1) * HOUR)]
    if expires_late:
        events.append(RunExpired(reason="deadline", at=NOW + HOUR))
    why = explain_run(*events, definition=job.definition)
    assert why.answer.startswith("It did not run, because it could not start")
    assert "within its start_within, and may not start later" in why.answer
    expired = "No attempt had started by 2026-11-24T01:10:00Z, the end of its start_within"
    assert (expired if expires_late else "its start_within of 10 minutes was over, so it was skipped") in texts(why)[-1]


def test_a_cancelled_run_says_who_cancelled_it_and_why() -> None:
    at_once = RunCancelled(attempt=None, reason="not needed", at=NOW + SECOND)
    assert explain_run(a_dispatch(), (at_once, "key:ops")).answer == (
        "API key “ops” cancelled it, with the reason “not needed”; it ended at 2026-11-24T01:00:01Z."
    )
    requested = RunCancelRequested(reason=None, at=NOW + 2 * SECOND)
    stopped = RunCancelled(attempt=1, reason=None, at=NOW + 3 * SECOND)
    why = explain_run(a_dispatch(), STARTED, (requested, "anonymous"), (stopped, "executor host/1"))
    assert why.answer == (
        "A client without an API key cancelled it, without giving a reason; it ended at 2026-11-24T01:00:03Z."
    )
    assert texts(why)[-1] == "Attempt 1 stopped as requested, so the run was cancelled."


def test_a_run_that_made_way_names_the_occurrence_it_made_way_for() -> None:
    reason = "made way for the occurrence of 2026-11-25 01:00:00 UTC"
    why = explain_run(a_dispatch(), STARTED, RunCancelled(attempt=1, reason=reason, at=NOW + DAY))
    assert why.answer == f"It was cancelled at 2026-11-25T01:00:00Z: it {reason}."
    deleted = explain_run(a_dispatch(), RunCancelled(attempt=None, reason="the job was deleted", at=NOW + DAY))
    assert deleted.answer == "It was cancelled at 2026-11-25T01:00:00Z, because the job was deleted."


def test_a_run_of_a_job_that_has_changed_names_its_version() -> None:
    changed = replace(a_job_of(a_definition()), version=3)
    assert texts(explain_run(a_dispatch(), STARTED, job=changed))[-1] == (
        "It uses version 1 of the job's definition, regardless of later changes."
    )


def test_a_long_history_is_shortened_in_the_middle() -> None:
    events: list[RunEvent] = [a_dispatch()]
    for attempt in range(1, 201):
        events.append(replace(STARTED, attempt=attempt))
        events.append(replace(FAILED, attempt=attempt, failures=attempt))
    causes = texts(explain_run(*events))
    assert len(causes) == 101
    assert causes[5] == "301 further events are omitted here; the run's events include them."


def test_an_error_is_quoted_on_one_line_and_cut() -> None:
    why = explain_run(a_dispatch(), STARTED, replace(FAILED, error="boom\n\x1b[31m" + "x" * 5000))
    assert all("\n" not in each and "\x1b" not in each and len(each) < 600 for each in texts(why))
