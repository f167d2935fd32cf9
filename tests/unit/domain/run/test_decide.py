"""The decisions about a run, command by command, and the invariants that hold after any commands."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_common.domain.definition import Backoff, Rate
from duebook_common.domain.errors import CommandRejected, StaleAttempt, WrongStatus
from duebook_common.domain.run.commands import (
    CancelRun,
    ConfirmCancel,
    DeferRun,
    DiscardRun,
    FailAttempt,
    RedriveRun,
    ReleaseAttempt,
    RunCommand,
    StartAttempt,
    Succeed,
    WakeRun,
)
from duebook_common.domain.run.decide import (
    BURY_WITHIN,
    LOST,
    DeliveryClass,
    classify_delivery,
    decide,
    expired,
    needs_job_lock,
    pauses_job,
)
from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    RunCancelled,
    RunCancelRequested,
    RunDeadLettered,
    RunDeferred,
    RunDiscarded,
    RunExpired,
    RunRedriven,
    RunRequeued,
)
from duebook_common.domain.run.fingerprint import fingerprint
from duebook_common.domain.run.state import ENDED, Run, RunStatus
from support.samples import DAY, HOUR, MINUTE, NOW, RUN_ID, SECOND, a_run, after, due

RATE = Rate("k", 1, MINUTE)
LEASE, LOOK_AGAIN_AFTER = 30 * SECOND, 20 * SECOND


def has_task(_: str) -> bool:
    return True


def do(run: Run, *commands: RunCommand) -> Run:
    for command in commands:
        run = after(run, decide(run, command))
    return run


def start(run: Run, now: datetime = NOW) -> StartAttempt:
    return StartAttempt(run.dispatch, "executor-1", LEASE, now)


def fail(run: Run, now: datetime = NOW, **more: Any) -> FailAttempt:
    return FailAttempt(run.attempt, "boom", now, **{"chance": 0.5, **more})


def wake(now: datetime = NOW, **more: Any) -> WakeRun:
    return WakeRun(now, 0.5, LOOK_AGAIN_AFTER, **more)


def running(**fields: Any) -> Run:
    run = a_run(**fields)
    return do(run, start(run))


def dead() -> Run:
    run = running(max_retries=0)
    return do(run, fail(run))


def redrive(**more: Any) -> RedriveRun:
    return RedriveRun(**{"reason": "the disk is empty again", "max_attempts": 4, "now": NOW, **more})


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


# Wake-ups


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


def test_redrives_can_be_spread_over_time() -> None:
    assert do(dead(), redrive(delay=5 * MINUTE)).wake_at == NOW + 5 * MINUTE


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


# Deliveries


def test_a_delivery_is_classified_by_the_state_of_its_run() -> None:
    late = NOW + HOUR
    deadline = a_run(start_within=MINUTE)
    classes = [
        (None, 1, NOW, DeliveryClass.STALE),
        (a_run(), 1, NOW, DeliveryClass.START),
        (a_run(), 2, NOW, DeliveryClass.STALE),
        (deadline, 1, NOW + MINUTE, DeliveryClass.START),
        (deadline, 1, late, DeliveryClass.EXPIRED),
        (running(), 1, NOW, DeliveryClass.RUNNING),
        (do(running(), FailAttempt(1, "boom", NOW, 0.5)), 1, NOW, DeliveryClass.STALE),
        (do(running(), Succeed(1, None, NOW)), 1, NOW, DeliveryClass.STALE),
        (dead(), 1, NOW, DeliveryClass.BURY),
        (dead(), 0, NOW, DeliveryClass.STALE),
    ]
    unknown = classify_delivery(a_run(), 1, NOW, lambda name: name != "log", from_dead_letters=False)
    assert unknown is DeliveryClass.UNKNOWN_TASK
    for run, dispatch, now, class_ in classes:
        assert classify_delivery(run, dispatch, now, has_task, from_dead_letters=False) is class_


def defer(run: Run, chance: float = 0.5) -> DeferRun:
    return DeferRun(run.dispatch, "executor-2", NOW, chance)


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


def test_a_run_is_not_sent_while_no_executor_has_its_task() -> None:
    retrying = do(running(), FailAttempt(1, "boom", NOW, 0.5))
    (event,) = decide(retrying, wake(due(retrying), has_executor=False))
    assert isinstance(event, RunDeferred)
    waits = after(retrying, [event])
    assert (waits.status, waits.failures) == (RunStatus.WAITING, 1)
    assert decide(waits, wake(due(waits), has_executor=False)) == []


def test_a_dead_letter_moved_back_is_a_redrive_and_other_copies_are_stale() -> None:
    assert classify_delivery(dead(), 1, NOW, has_task, from_dead_letters=True) is DeliveryClass.REDRIVE
    assert classify_delivery(do(dead(), redrive()), 1, NOW, has_task, from_dead_letters=True) is DeliveryClass.STALE
    assert classify_delivery(dead(), 2, NOW, has_task, from_dead_letters=True) is DeliveryClass.STALE


# Any commands in any order


@dataclass(frozen=True)
class Step:
    """A command, relative to the state of the run when it is decided."""

    kind: str
    off_by: int  # added to the attempt or dispatch of the command
    wait: timedelta | None  # before it; None waits until the run wakes
    chance: float
    flag: bool

    def now(self, run: Run, now: datetime) -> datetime:
        return max(now, run.wake_at or now) if self.wait is None else now + self.wait

    def command(self, run: Run, now: datetime) -> RunCommand:
        attempt, reason = run.attempt + self.off_by, "because" if self.flag else None
        commands: dict[str, RunCommand] = {
            "start": StartAttempt(run.dispatch + self.off_by, "executor-1", LEASE, now),
            "succeed": Succeed(attempt, {"ok": True}, now),
            "fail": FailAttempt(attempt, "boom", now, self.chance, retry=self.flag),
            "retry after": FailAttempt(attempt, "busy", now, self.chance, delay=MINUTE),
            "release": ReleaseAttempt(attempt, now),
            "confirm": ConfirmCancel(attempt, now),
            "wake": WakeRun(now, self.chance, LOOK_AGAIN_AFTER, job_deleted=self.flag),
            "wake again": WakeRun(now, self.chance, LOOK_AGAIN_AFTER),
            "wake without executor": WakeRun(now, self.chance, LOOK_AGAIN_AFTER, has_executor=False),
            "defer": DeferRun(run.dispatch + self.off_by, "executor-2", now, self.chance),
            "cancel": CancelRun(reason, now),
            "redrive": RedriveRun(reason, 1 + self.off_by**2, now, own_payload=self.flag),
            "discard": DiscardRun(reason, now),
        }
        return commands[self.kind]


# Starts, failures, wake-ups and redrives are drawn more often, because they lead to more states.
KINDS = ["start", "fail", "wake again", "redrive"] * 2 + [
    "succeed", "retry after", "release", "confirm", "wake", "cancel", "discard",
    "wake without executor", "defer",
]  # fmt: skip
STEPS = st.builds(
    Step,
    kind=st.sampled_from(KINDS),
    off_by=st.sampled_from([0, 0, 0, 0, 1, -1]),
    wait=st.none() | st.sampled_from([timedelta(0), SECOND, HOUR]),
    chance=st.floats(0, 1, exclude_max=True),
    flag=st.booleans(),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(STEPS, max_size=30), st.integers(0, 3), st.none() | st.just(MINUTE))
def test_the_invariants_of_a_run_hold_after_any_commands(
    steps: list[Step], max_retries: int, start_within: timedelta | None
) -> None:
    run, now = a_run(max_retries=max_retries, start_within=start_within), NOW
    for step in steps:
        now = step.now(run, now)
        command = step.command(run, now)
        try:
            events = decide(run, command)
        except CommandRejected:
            continue
        changed = after(run, events)
        _check_invariants(run, changed, now)
        if events:
            assert run.status not in ENDED
            _check_repeat(changed, command)
        run = changed


def _check_invariants(before: Run, run: Run, now: datetime) -> None:
    assert run.id == RUN_ID
    assert run.dispatch in {before.dispatch, before.dispatch + 1}
    assert run.attempt in {before.attempt, before.attempt + 1}
    assert run.attempt == before.attempt or run.status is RunStatus.RUNNING
    assert run.failures <= run.max_attempts
    assert run.failures < run.max_attempts or run.status in ENDED | {RunStatus.DEAD_LETTERED}
    if run.status in ENDED:
        assert run.wake_at is None
        assert run.finished_at is not None
    else:
        assert run.wake_at is not None
        assert run.wake_at == before.wake_at or run.wake_at >= now


def _check_repeat(run: Run, command: RunCommand) -> None:
    with suppress(CommandRejected):
        assert decide(run, command) == []


@settings(deadline=None, max_examples=200)
@given(st.lists(STEPS, max_size=15), st.integers(-1, 1), st.timedeltas(timedelta(0), 2 * MINUTE))
def test_the_class_of_a_delivery_agrees_with_the_decision_about_a_start(
    steps: list[Step], off_by: int, wait: timedelta
) -> None:
    run, now = a_run(max_retries=1, start_within=MINUTE), NOW
    for step in steps:
        now = step.now(run, now)
        try:
            run = after(run, decide(run, step.command(run, now)))
        except CommandRejected:
            continue
    now += wait
    class_ = classify_delivery(run, run.dispatch + off_by, now, has_task, from_dead_letters=False)
    events = decide(run, StartAttempt(run.dispatch + off_by, "executor-1", LEASE, now))
    assert (class_ is DeliveryClass.START) == any(isinstance(event, AttemptStarted) for event in events)
    assert (class_ is DeliveryClass.EXPIRED) == any(isinstance(event, RunExpired) for event in events)


# Fingerprints


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


def test_a_redrive_is_one_event() -> None:
    assert decide(dead(), redrive()) == [
        RunRedriven(max_attempts=4, reason="the disk is empty again", wake_at=None, at=NOW),
    ]


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
