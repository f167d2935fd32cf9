"""Why a run ran, did not, or waits: these events yield these sentences."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from duebook_api.schemas.missing_executor import missing_executor
from duebook_api.why.facts import ConcurrencySlots, QueuePosition, RatePosition
from duebook_common.domain.definition import CatchUp, Concurrency, Overlap, Rate
from duebook_common.domain.job.commands import TriggerRun
from duebook_common.domain.job.new_runs import trigger_run
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.state import Job
from duebook_common.domain.queue.events import INSTALLATION
from duebook_common.domain.queue.state import Pause
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
    RunDeferred,
    RunDiscarded,
    RunEvent,
    RunExpired,
    RunFact,
    RunRedriven,
    RunRequeued,
    Trigger,
)
from duebook_common.domain.run.state import Run
from duebook_common.runtime.phrases import duration
from support.explanations import a_job_of, explain_run, texts
from support.samples import DAY, HOUR, MINUTE, NOW, RUN_ID, SECOND, a_definition, a_dispatch, a_job, a_run, context

BERLIN = a_definition(timezone="Europe/Berlin")
STARTED = AttemptStarted(attempt=1, executor="executor host/1", wake_at=NOW + 30 * SECOND, at=NOW + SECOND)
FAILED = AttemptFailed(attempt=1, error="connection refused", failures=1, retry_at=NOW + MINUTE, at=NOW + 3 * SECOND)
OTHER = UUID(int=99)


def first_event(
    job: Job, *active: Run, now: datetime = NOW + timedelta(milliseconds=20), has_executor: bool = True, **more: Any
) -> FirstEvent:
    """The first event of the occurrence that is due."""
    decision = context(now, has_executor=has_executor, **more)
    facts = [fact for fact in account(job, active, decision) if isinstance(fact, RunFact)]
    event = facts[-1].event
    assert isinstance(event, FirstEvent)
    return event


PAUSE = Pause("mail", 1, NOW, "the provider is down", "key:ops")
PAUSED_BY = "the queue “mail” is paused by API key “ops” since 2026-11-24T01:00:00Z: “the provider is down”"


def running() -> Run:
    """Another run of the same job, under way."""
    return replace(a_run(STARTED), id=OTHER)


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


def test_jitter_is_mentioned_as_the_cause_of_a_delay() -> None:
    job = a_job(jitter=HOUR, recurrence="daily")
    due = job.next_due_at
    assert due is not None
    event = first_event(job, now=due)
    later = duration(event.due_at - event.nominal_at)
    assert f"at 2026-11-24T01:00:00Z (due {later} later because of jitter); it was sent" in texts(explain_run(event))[0]


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
    assert "its executor was stopping and released it" in released.answer


def test_a_skipped_run_names_the_run_that_it_overlapped_with() -> None:
    why = explain_run(first_event(a_job(recurrence="daily"), running()), met=[running()])
    assert why.answer == (
        f"It did not run, because run {OTHER} of the same job was still active when it was due (overlap policy skip: "
        "an occurrence that is due during an active run is skipped)."
    )
    assert texts(why)[0] == (
        f"Run {OTHER}, the occurrence of 2026-11-24T01:00:00Z, had been running its attempt 1 since "
        "2026-11-24T01:00:01Z on the executor host/1."
    )
    assert (why.causes[0].run_id, why.causes[0].event) == (OTHER, None)
    retrying = replace(a_run(STARTED, FAILED), id=OTHER)
    assert (
        "had failed an attempt with “connection refused” and had another one to come, due at"
        in texts(explain_run(first_event(a_job(recurrence="daily"), retrying), met=[retrying]))[0]
    )


def test_a_run_that_waits_for_others_of_its_job_names_them() -> None:
    job = a_job(recurrence="daily", overlap=Overlap.BUFFER_ALL)
    why = explain_run(first_event(job, running()), met=[running()], blockers=[running()], definition=job.definition)
    assert why.answer == f"It waits until run {OTHER} of the same job has ended."
    assert texts(why)[-1].startswith(
        f"Run {OTHER}, the occurrence of 2026-11-24T01:00:00Z, has been running its attempt 1"
    )
    assert (
        "buffer_all: occurrences wait for the active run to end, one after the other), so it had to wait"
        in texts(why)[1]
    )


def test_a_run_that_waits_for_a_slot_names_its_holders_and_the_runs_ahead() -> None:
    event = first_event(a_job(concurrency=Concurrency("tenant-7", 1)))
    why = explain_run(event, slots=ConcurrencySlots(taken=1, holders=[running()], ahead=2))
    assert why.answer == (
        "It waits for a slot of the concurrency key “tenant-7”: 1 of 1 slot is taken, and 2 runs are ahead of it."
    )
    assert why.causes[-1].run_id == OTHER
    assert "holds a slot; its status is running" in texts(why)[-1]
    free = explain_run(event, slots=ConcurrencySlots(taken=0, holders=[], ahead=0))
    assert free.answer == "It is ready, and waits for a scheduler to send it to its queue."


def test_a_run_in_the_line_of_a_rate_says_who_is_ahead_and_when_it_may_start() -> None:
    event = first_event(a_job(rate=Rate("stripe", 10, SECOND)))
    position = RatePosition(ahead=42, started=10, sent=2, expected_at=NOW + MINUTE)
    why = explain_run(event, rate_position=position, now=NOW)
    assert why.answer == (
        "It waits for the rate of the key “stripe”, which allows 10 starts in any PT1S: 42 runs are ahead of it, "
        "and it may start at about 2026-11-24T01:01:00Z."
    )
    assert "it had to wait for the rate of the key “stripe”" in texts(why)[0]
    assert texts(why)[1:] == [
        "With the key “stripe” 10 attempts started within the last PT1S, and 2 runs are sent and not started."
    ]


def test_a_queued_run_says_how_many_are_ahead_and_what_is_known_of_executors() -> None:
    served = QueuePosition(ahead=7, running=3, last_start=NOW)
    why = explain_run(a_dispatch(), queue_position=served, now=NOW + MINUTE)
    assert why.answer == "It waits in the queue “default” for an executor: 7 runs are ahead of it."
    assert texts(why)[1:] == ["In the queue “default” 7 runs are ahead of it, and 3 runs of that queue are running."]
    nowhere = QueuePosition(ahead=0, running=0, last_start=None)
    lonely = explain_run(a_dispatch(), queue_position=nowhere, missing="no executor serves it")
    assert lonely.answer.endswith("no run is ahead of it, and no executor serves it.")
    assert texts(lonely)[1] == "No executor serves it."
    gone = explain_run(a_dispatch(), queue_position=replace(served, running=0), now=NOW + HOUR)
    assert texts(gone)[2:] == ["An executor last started a run of the queue “default” at 2026-11-24T01:00:00Z."]


def test_a_run_that_waits_for_its_task_says_what_is_missing() -> None:
    missing = missing_executor("gpu", "train", {})
    why = explain_run(first_event(a_job(task="train"), has_executor=False), missing=missing)
    assert why.answer.startswith("It waits for an executor: no executor serves the queue “gpu”")
    assert "no executor of the queue “default” had the task “train”, so it had to wait" in texts(why)[0]
    deferred = RunDeferred(executor="executor host-2/7", wake_at=NOW, at=NOW)
    bounced = explain_run(a_dispatch(), (deferred, "executor host-2/7"))
    assert texts(bounced)[1] == (
        "The executor host-2/7 received it without having the task “log”, so it had to wait for another one; "
        "this is not charged."
    )
    alone = explain_run(a_dispatch(), RunDeferred(executor=None, wake_at=NOW, at=NOW))
    assert "No executor of the queue “default” had the task “log”, so it had to wait for one" in texts(alone)[1]


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


def test_a_caught_up_occurrence_says_how_late_it_was_and_by_which_policy() -> None:
    late = first_event(a_job(recurrence="daily"), now=NOW + 2 * DAY + HOUR)
    assert (
        "The schedule has an occurrence at 2026-11-26T01:00:00Z, but no scheduler dispatched it until 1 hour later. "
        "That is more than the PT1M that count as on time, so it was missed, and the catch-up policy runs the newest "
        "missed occurrence; "
    ) in texts(explain_run(late))[0]
    job = a_job(recurrence="daily", catch_up=CatchUp("all"))
    every = first_event(job, now=NOW + 2 * DAY + HOUR)
    assert (
        "the catch-up policy runs every missed occurrence; " in texts(explain_run(every, definition=job.definition))[0]
    )


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
    assert (expired if expires_late else "its start_within of PT10M was over, so it was skipped") in texts(why)[-1]


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


def test_a_manual_run_says_who_triggered_it() -> None:
    (fact,) = trigger_run(a_job(), [], TriggerRun(RUN_ID, Overlap.ALLOW_ALL, context(dispatch=0)))
    why = explain_run((fact.event, "anonymous"))
    assert why.answer == "It is due, and waits for a scheduler to send it to its queue."
    assert texts(why) == [
        (
            "A client without an API key triggered it at 2026-11-24T01:00:00Z; it was recorded at "
            "2026-11-24T01:00:00Z, for a scheduler to send."
        )
    ]


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


def caught_up(**fields: Any) -> Run:
    return replace(running(), trigger=Trigger.CATCH_UP, **fields)


def test_a_run_that_waits_for_a_caught_up_run_says_so_instead_of_its_policy() -> None:
    job = a_job(recurrence="daily")
    why = explain_run(first_event(job, caught_up()), met=[caught_up()], blockers=[caught_up()])
    assert "missed occurrences of the job were being caught up, which leaves no other occurrence out" in texts(why)[1]
    assert not any("skip" in text for text in texts(why))


def test_a_caught_up_run_that_waits_in_order_says_so_instead_of_its_policy() -> None:
    job = a_job(recurrence="daily", scheduled_at=NOW - HOUR, catch_up=CatchUp("all"))
    why = explain_run(first_event(job, running()), met=[running()], blockers=[running()], definition=job.definition)
    assert "another run of the job was active, and missed occurrences run one after the other" in texts(why)[1]


def test_a_redriven_run_that_waits_because_of_the_rate_says_so() -> None:
    last = replace(FAILED, failures=4, retry_at=None)
    dead = RunDeadLettered(dispatch=1, failures=4, error="boom", fingerprint="f", wake_at=NOW, at=last.at)
    redriven = RunRedriven(max_attempts=4, reason="back up", wake_at=NOW + HOUR, waits=True, at=NOW + MINUTE)
    why = explain_run(a_dispatch(), STARTED, last, dead, redriven, now=NOW + 2 * MINUTE)
    assert why.answer == (
        "It waits until 2026-11-24T02:00:00Z, its time in the rate at which dead letters were redriven."
    )


# --- paused queues ------------------------------------------------------------------------------------------------


def test_a_run_of_a_paused_queue_says_who_paused_it_and_why() -> None:
    first = first_event(a_job(queue="mail"))
    parked = RunDeferred(executor=None, reason="queue", wake_at=NOW + HOUR, at=NOW + SECOND)
    why = explain_run(first, parked, queue_pause=PAUSE)
    assert why.answer == f"It waits, because {PAUSED_BY}."
    assert "The queue “mail” was paused, so it had to wait for the resume; this is not charged." in texts(why)
    assert explain_run(first, queue_pause=PAUSE).answer == f"It does not start, because {PAUSED_BY}."
    retrying = explain_run(first, STARTED, FAILED, queue_pause=PAUSE)
    assert f"does not start before the resume, because {PAUSED_BY}" in retrying.answer


def test_a_freeze_is_named_as_one() -> None:
    frozen = Pause(INSTALLATION, 1, NOW, None, "anonymous")
    assert explain_run(first_event(a_job()), queue_pause=frozen).answer == (
        "It does not start, because the whole installation is frozen by a client without an API key since "
        "2026-11-24T01:00:00Z."
    )


def test_a_run_that_a_pause_kept_back_names_the_pause() -> None:
    ended = replace(PAUSE, until=NOW + HOUR)
    job = a_job(queue="mail", recurrence="daily")
    event = first_event(job, now=NOW + HOUR, pauses=[ended])
    (says,) = texts(explain_run(event, kept_by=ended))[:1]
    assert "1 hour late, because the queue “mail” was paused by API key “ops” from 2026-11-24T01:00:00Z to" in says
    behind = first_event(job, running(), now=NOW + HOUR, pauses=[ended])
    assert "what a pause of the queue kept back runs one after the other" in texts(explain_run(behind))[0]
