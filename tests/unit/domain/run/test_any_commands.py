"""The invariants of a run that hold after any commands in any order."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from duebook_common.domain.errors import CommandRejected
from duebook_common.domain.run.commands import (
    CancelRun,
    ConfirmCancel,
    DeferRun,
    DiscardRun,
    FailAttempt,
    LoseAttempt,
    RedriveRun,
    ReleaseAttempt,
    RunCommand,
    StartAttempt,
    Succeed,
    WakeRun,
)
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.deliveries import DeliveryClass, classify_delivery
from duebook_common.domain.run.events import AttemptStarted, RunExpired
from duebook_common.domain.run.state import ENDED, Run, RunStatus
from support.run_commands import LEASE, LOOK_AGAIN_AFTER, has_task
from support.samples import HOUR, MINUTE, NOW, RUN_ID, SECOND, a_run, after


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
            "lose": LoseAttempt(f"executor-{1 + self.off_by}", now, now, self.chance),
            "defer": DeferRun(run.dispatch + self.off_by, "executor-2", now, self.chance),
            "cancel": CancelRun(reason, now),
            "redrive": RedriveRun(reason, 1 + self.off_by**2, now, own_payload=self.flag),
            "discard": DiscardRun(reason, now),
        }
        return commands[self.kind]


# Starts, failures, wake-ups and redrives are drawn more often, because they lead to more states.
KINDS = ["start", "fail", "wake again", "redrive"] * 2 + [
    "succeed", "retry after", "release", "confirm", "wake", "cancel", "discard",
    "wake without executor", "defer", "lose",
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
