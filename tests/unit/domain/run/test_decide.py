"""The decisions about a run, command by command."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.definition import Backoff
from duebook_common.domain.errors import StaleAttempt, WrongStatus
from duebook_common.domain.run.commands import (
    CancelRun,
    ConfirmCancel,
    DiscardRun,
    FailAttempt,
    ReleaseAttempt,
    RunCommand,
    Succeed,
)
from duebook_common.domain.run.decide import decide, needs_job_lock, pauses_job
from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    RunCancelled,
    RunCancelRequested,
    RunDeadLettered,
    RunDiscarded,
    RunRedriven,
)
from duebook_common.domain.run.fingerprint import fingerprint
from duebook_common.domain.run.losses import BURY_WITHIN
from duebook_common.domain.run.state import Run, RunStatus
from support.run_commands import LEASE, dead, do, fail, redrive, running, start, wake
from support.samples import DAY, HOUR, NOW, SECOND, a_run, after, due

# Starts and outcomes


def test_a_start_takes_the_next_attempt_and_wakes_when_the_lease_ends() -> None:
    run = a_run()
    assert decide(run, start(run)) == [
        AttemptStarted(attempt=1, executor="executor-1", wake_at=NOW + LEASE, at=NOW),
    ]


def test_a_second_delivery_and_one_of_another_dispatch_start_nothing() -> None:
    run = a_run()
    assert decide(do(run, start(run)), start(run)) == []
    assert decide(run, replace(start(run), dispatch=run.dispatch + 1)) == []
    assert decide(run, replace(start(run), dispatch=run.dispatch - 1)) == []


def test_a_success_ends_the_run() -> None:
    run = running()
    assert decide(run, Succeed(1, {"rows": 3}, NOW)) == [AttemptSucceeded(attempt=1, result={"rows": 3}, at=NOW)]
    assert do(run, Succeed(1, None, NOW)).status is RunStatus.SUCCEEDED


def test_a_failure_waits_for_its_retry() -> None:
    run = running()
    assert decide(run, fail(run)) == [
        AttemptFailed(attempt=1, error="boom", failures=1, retry_at=NOW + SECOND, at=NOW),
    ]


def test_the_last_failure_dead_letters_the_run() -> None:
    run = running(max_retries=0)
    assert decide(run, fail(run)) == [
        AttemptFailed(attempt=1, error="boom", failures=1, retry_at=None, at=NOW),
        RunDeadLettered(
            dispatch=1,
            failures=1,
            error="boom",
            fingerprint=fingerprint("log", "boom"),
            wake_at=NOW + BURY_WITHIN,
            at=NOW,
        ),
    ]


def test_a_dead_letter_whose_message_is_gone_is_buried_at_once() -> None:
    run = running(max_retries=0)
    _, dead = decide(run, fail(run, acknowledged=True))
    assert isinstance(dead, RunDeadLettered)
    assert dead.wake_at == NOW


def test_a_run_gets_as_many_attempts_as_its_definition_allows() -> None:
    run = a_run(max_retries=2)
    for _ in range(2):
        run = do(run, start(run))
        run = do(run, fail(run))
        run = do(run, wake(due(run)))
        assert run.status is RunStatus.DISPATCHED
    run = do(run, start(run))
    assert do(run, fail(run)).status is RunStatus.DEAD_LETTERED
    assert run.attempt == 3


def test_a_failure_without_retry_dead_letters_the_run_at_once() -> None:
    run = running()
    events = decide(run, fail(run, retry=False))
    assert [type(event) for event in events] == [AttemptFailed, RunDeadLettered]


def test_a_task_can_choose_the_delay_of_its_retry() -> None:
    run = running()
    assert do(run, fail(run, delay=3 * HOUR)).wake_at == NOW + 3 * HOUR
    assert do(run, fail(run, delay=timedelta(0))).wake_at == NOW


def test_a_delay_longer_than_a_datetime_can_hold_is_shortened() -> None:
    run = running()
    assert due(do(run, fail(run, delay=timedelta.max))) >= NOW + 36500 * DAY


@pytest.mark.parametrize(
    "outcome",
    [
        Succeed(1, None, NOW),
        FailAttempt(1, "boom", NOW, 0.5),
        ReleaseAttempt(1, NOW),
        ConfirmCancel(1, NOW),
    ],
)
def test_an_outcome_of_an_old_attempt_is_refused(outcome: RunCommand) -> None:
    run = running()
    lost = do(run, wake(due(run)))
    again = do(lost, wake(due(lost)))
    second = do(again, start(again))
    for newer in (lost, again, second, do(second, Succeed(2, None, NOW))):
        with pytest.raises(StaleAttempt) as refused:
            decide(newer, outcome)
        assert (refused.value.reported, refused.value.current) == (1, newer.attempt)


def test_a_released_attempt_is_no_failure_and_is_due_again_at_once() -> None:
    run = running(max_retries=0)
    released = do(run, ReleaseAttempt(1, NOW))
    assert decide(run, ReleaseAttempt(1, NOW)) == [AttemptReleased(attempt=1, at=NOW)]
    assert (released.status, released.failures, released.wake_at) == (RunStatus.RETRYING, 0, NOW)


# Cancels


@pytest.mark.parametrize("status", [RunStatus.DISPATCHED, RunStatus.RETRYING])
def test_a_run_that_is_not_running_is_cancelled_at_once(status: RunStatus) -> None:
    run = running()
    run = a_run() if status is RunStatus.DISPATCHED else do(run, fail(run))
    assert decide(run, CancelRun("wrong day", NOW)) == [RunCancelled(attempt=None, reason="wrong day", at=NOW)]


def test_a_running_run_is_requested_to_stop_once() -> None:
    run = running()
    assert decide(run, CancelRun("wrong day", NOW)) == [RunCancelRequested(reason="wrong day", at=NOW)]
    requested = do(run, CancelRun("wrong day", NOW))
    assert requested.status is RunStatus.RUNNING
    assert decide(requested, CancelRun("again", NOW)) == []


@pytest.mark.parametrize(
    "end", [ConfirmCancel(1, NOW), FailAttempt(1, "boom", NOW, 0.5), ReleaseAttempt(1, NOW), wake(NOW + HOUR)]
)
def test_a_run_with_a_cancel_request_is_cancelled_however_its_attempt_ends(end: RunCommand) -> None:
    requested = do(running(), CancelRun("wrong day", NOW))
    cancelled = decide(requested, end)[-1]
    assert isinstance(cancelled, RunCancelled)
    assert (cancelled.attempt, cancelled.reason) == (1, "wrong day")


def test_an_attempt_that_succeeds_despite_a_cancel_request_has_succeeded() -> None:
    requested = do(running(), CancelRun("wrong day", NOW))
    assert do(requested, Succeed(1, None, NOW)).status is RunStatus.SUCCEEDED


def test_an_ended_or_dead_lettered_run_cannot_be_cancelled() -> None:
    succeeded = do(running(), Succeed(1, None, NOW))
    for run in (succeeded, dead(), do(dead(), DiscardRun("never mind", NOW))):
        with pytest.raises(WrongStatus):
            decide(run, CancelRun(None, NOW))
    assert decide(do(a_run(), CancelRun(None, NOW)), CancelRun(None, NOW)) == []


# Dead letters


def test_a_redrive_resets_the_failures_but_not_the_attempts() -> None:
    run = do(dead(), redrive())
    assert (run.status, run.failures, run.max_attempts, run.attempt) == (RunStatus.RETRYING, 0, 4, 1)
    assert run.wake_at == NOW
    sent = do(run, wake(NOW))
    assert do(sent, start(sent)).attempt == 2


def test_a_redrive_is_one_event() -> None:
    assert decide(dead(), redrive()) == [
        RunRedriven(max_attempts=4, reason="the disk is empty again", at=NOW),
    ]


def test_a_redrive_with_a_payload_of_its_own_is_an_edit() -> None:
    plain = do(dead(), redrive())
    edited = do(dead(), redrive(payload=None, own_payload=True))
    assert (plain.own_payload, plain.edits) == (False, 0)
    assert (edited.own_payload, edited.edits, edited.payload) == (True, 1, None)


def test_only_a_dead_letter_is_redriven_or_discarded() -> None:
    for run in (a_run(), running(), do(dead(), redrive()), do(running(), Succeed(1, None, NOW))):
        with pytest.raises(WrongStatus):
            decide(run, redrive())
        with pytest.raises(WrongStatus):
            decide(run, DiscardRun("never mind", NOW))


def test_a_dead_letter_is_discarded_once() -> None:
    assert decide(dead(), DiscardRun("never mind", NOW)) == [RunDiscarded(reason="never mind", at=NOW)]
    assert decide(do(dead(), DiscardRun("never mind", NOW)), DiscardRun("again", NOW)) == []


# Backoff


@given(
    st.timedeltas(timedelta(microseconds=1), 36500 * DAY),
    st.floats(1, 1000),
    st.timedeltas(timedelta(microseconds=1), 36500 * DAY),
    st.floats(0, 1),
    st.integers(0, 1000),
    st.floats(0, 1, exclude_max=True),
)
def test_every_valid_backoff_yields_a_time(
    initial: timedelta, factor: float, most: timedelta, jitter: float, failures: int, chance: float
) -> None:
    backoff = Backoff(initial, factor, most, jitter)
    run = replace(running(max_retries=1000), failures=failures, backoff=backoff)
    assert due(do(run, fail(run, chance=chance))) >= NOW


# What concerns the run's job


def test_a_dead_letter_pauses_its_job_only_if_the_definition_says_so() -> None:
    assert not pauses_job(dead())
    assert pauses_job(replace(dead(), pause_on_failure=True))
    assert not pauses_job(replace(running(), pause_on_failure=True))
    assert not pauses_job(replace(do(dead(), DiscardRun(None, NOW)), pause_on_failure=True))


def test_a_redrive_and_a_pausing_dead_letter_need_the_lock_of_the_job() -> None:
    run = running(max_retries=0)
    commands: list[tuple[Run, RunCommand, bool]] = [
        (a_run(), start(a_run()), False),
        (run, Succeed(1, None, NOW), False),
        (run, fail(run), False),
        (replace(run, pause_on_failure=True), fail(run), True),
        (replace(run, pause_on_failure=True), Succeed(1, None, NOW), False),
        (dead(), redrive(), True),
        (dead(), DiscardRun(None, NOW), False),
    ]
    for before, command, needed in commands:
        events = decide(before, command)
        assert needs_job_lock(after(before, events), events) is needed
