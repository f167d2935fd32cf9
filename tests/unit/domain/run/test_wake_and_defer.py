"""The decisions about a run that is due, and about one that an executor cannot start."""

from dataclasses import replace
from datetime import datetime, timedelta

from duebook_common.domain.definition import Rate
from duebook_common.domain.run.commands import DeferRun, FailAttempt, LoseAttempt, RedriveRun, StartAttempt
from duebook_common.domain.run.decide import decide, expired
from duebook_common.domain.run.events import (
    AttemptLost,
    AttemptStarted,
    RunCancelled,
    RunDeadLettered,
    RunDeferred,
    RunExpired,
    RunRequeued,
)
from duebook_common.domain.run.losses import BURY_WITHIN, EXECUTOR_ENDED, LOST
from duebook_common.domain.run.state import Run, RunStatus
from support.run_commands import LEASE, LOOK_AGAIN_AFTER, dead, defer, do, fail, running, start, wake
from support.samples import DAY, HOUR, MINUTE, NOW, SECOND, a_run, after, due

RATE = Rate("k", 1, MINUTE)


def test_a_dispatched_run_that_wakes_is_sent_again_under_a_new_number() -> None:
    run = a_run()
    now = due(run)
    assert decide(run, wake(now)) == [RunRequeued(dispatch=2, wake_at=now + LOOK_AGAIN_AFTER, at=now)]


def test_a_run_that_is_not_due_stays_as_it_is() -> None:
    for run in (a_run(), running()):
        assert decide(run, wake(due(run) - timedelta(microseconds=1))) == []


def test_a_lease_that_ends_loses_the_attempt() -> None:
    run = running()
    now = due(run)
    assert decide(run, wake(now)) == [
        AttemptLost(attempt=1, error=LOST, failures=1, retry_at=now + SECOND, at=now),
    ]


def test_the_loss_of_the_last_attempt_dead_letters_the_run() -> None:
    run = running(max_retries=0)
    now = due(run)
    lost, dead_letter = decide(run, wake(now))
    assert lost == AttemptLost(attempt=1, error=LOST, failures=1, retry_at=None, at=now)
    assert isinstance(dead_letter, RunDeadLettered)
    assert (dead_letter.error, dead_letter.failures, dead_letter.wake_at) == (LOST, 1, now + BURY_WITHIN)


def test_no_attempt_of_a_deleted_job_starts_but_a_running_one_may_finish() -> None:
    run = running()
    lost = do(run, wake(due(run), job_deleted=True))
    assert lost.status is RunStatus.RETRYING
    assert decide(a_run(), wake(NOW + HOUR, job_deleted=True)) == [
        RunCancelled(attempt=None, reason="the job was deleted", at=NOW + HOUR)
    ]
    assert do(lost, wake(due(lost), job_deleted=True)).status is RunStatus.CANCELLED


def test_a_dead_letter_that_wakes_is_not_sent_again() -> None:
    run = dead()
    assert decide(run, wake(due(run) + DAY)) == []


# The end of an executor


def lose(now: datetime, executor: str = "executor-1", ended_at: datetime = NOW) -> LoseAttempt:
    return LoseAttempt(executor, ended_at, now, 0.5)


def test_an_attempt_is_lost_with_its_executor_before_its_lease_ends() -> None:
    now = NOW + timedelta(milliseconds=600)
    assert decide(running(), lose(now)) == [
        AttemptLost(attempt=1, error=EXECUTOR_ENDED, failures=1, retry_at=NOW + SECOND, at=now),
    ]
    [late] = decide(running(), lose(NOW + MINUTE))
    assert isinstance(late, AttemptLost)
    assert late.retry_at == NOW + MINUTE  # a retry is never due in the past
    lost, dead_letter = decide(running(max_retries=0), lose(now))
    assert isinstance(lost, AttemptLost)
    assert isinstance(dead_letter, RunDeadLettered)
    assert dead_letter.error == lost.error == EXECUTOR_ENDED


def test_the_end_of_an_executor_concerns_only_what_it_was_running() -> None:
    retried = do(running(), fail(running()))
    other = replace(running(), executor="executor-2")
    for run in (a_run(), dead(), retried, other):
        assert decide(run, lose(NOW + SECOND)) == []


# Deadlines


def test_a_run_that_starts_too_late_is_skipped() -> None:
    run = a_run(start_within=10 * SECOND)
    assert run.start_by == NOW + 10 * SECOND
    assert isinstance(decide(run, start(run, NOW + 10 * SECOND))[0], AttemptStarted)
    late = NOW + 10 * SECOND + timedelta(microseconds=1)
    assert decide(run, start(run, late)) == [RunExpired(reason="deadline", at=late)]
    assert decide(run, wake(late)) == [RunExpired(reason="deadline", at=late)]


def test_a_deadline_applies_to_the_first_attempt_only() -> None:
    run = running(start_within=10 * SECOND)
    failed = do(run, fail(run))
    assert not expired(failed, NOW + HOUR)
    assert do(failed, wake(NOW + HOUR)).status is RunStatus.DISPATCHED


# Deferrals


def test_a_run_whose_task_an_executor_lacks_waits_uncharged_and_is_sent_again() -> None:
    run = a_run(max_retries=0)
    deferred = do(run, defer(run))
    assert (deferred.status, deferred.reason, deferred.failures, deferred.attempt) == ("waiting", "task", 0, 0)
    assert deferred.admitted
    sent = do(deferred, wake(due(deferred), free=True))
    assert (sent.status, sent.reason, sent.dispatch) == (RunStatus.DISPATCHED, None, run.dispatch + 1)
    assert decide(sent, defer(run)) == [], "of an earlier dispatch"


def test_each_deferral_in_a_row_lasts_longer_up_to_half_a_minute() -> None:
    run, delays = a_run(), []
    for _ in range(30):
        run = do(run, defer(run))
        delays.append((due(run) - NOW).total_seconds())
        run = do(run, wake(due(run), free=True))
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (0.25, 30)
    assert do(run, StartAttempt(run.dispatch, "executor-1", LEASE, NOW)).deferrals == 0


def test_a_deferred_run_is_skipped_once_its_start_within_has_passed() -> None:
    run = a_run(start_within=MINUTE)
    late = NOW + HOUR
    assert isinstance(decide(run, DeferRun(run.dispatch, "executor-2", late, 0))[0], RunExpired)
    assert isinstance(decide(do(run, defer(run)), wake(late, has_executor=False))[0], RunExpired)


def test_a_run_is_not_sent_while_no_executor_has_its_task() -> None:
    retrying = do(running(), FailAttempt(1, "boom", NOW, 0.5))
    (event,) = decide(retrying, wake(due(retrying), has_executor=False))
    assert isinstance(event, RunDeferred)
    waits = after(retrying, [event])
    assert (waits.status, waits.failures) == (RunStatus.WAITING, 1)
    assert decide(waits, wake(due(waits), has_executor=False)) == []


# Rates


def test_a_start_that_its_rate_refuses_waits_uncharged_at_most_until_its_deadline() -> None:
    run = replace(a_run(start_within=MINUTE), rate=RATE)
    refused = replace(defer(run), rate_wait=10 * SECOND)
    waits = do(run, refused)
    assert (waits.status, waits.reason, waits.failures, waits.attempt) == (RunStatus.WAITING, "rate", 0, 0)
    assert (waits.deferrals, due(waits)) == (0, NOW + 10 * SECOND)
    assert due(do(run, replace(refused, rate_wait=HOUR))) == NOW + MINUTE
    assert decide(waits, wake(NOW + 10 * SECOND)) == [], "only admission sends it"


def test_a_retry_and_a_redrive_wait_for_their_rate() -> None:
    run = replace(a_run(max_retries=1), rate=RATE)
    retrying = do(started(run), FailAttempt(1, "boom", NOW, 0.5))
    (event,) = decide(retrying, wake(due(retrying)))
    assert isinstance(event, RunDeferred)
    assert (event.reason, event.wake_at) == ("rate", due(retrying))
    again = do(after(retrying, [event]), wake(due(retrying), free=True))
    dead = do(started(again), FailAttempt(2, "boom", NOW, 0.5))
    redriven = do(dead, RedriveRun(None, 2, NOW))
    assert redriven.status is RunStatus.WAITING


def started(run: Run) -> Run:
    return do(run, StartAttempt(run.dispatch, "executor-1", LEASE, NOW))
