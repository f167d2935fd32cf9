"""What happens to a run between its decision and the instant at which it is due."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.run.ahead import decided_ahead, instant_ahead, started_ahead
from duebook_common.domain.run.commands import CancelRun, DeferRun, ReleaseAttempt, RunCommand, StartAttempt, WakeRun
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.events import AttemptReleased, AttemptStarted, RunCancelled
from duebook_common.domain.run.evolve import evolve
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.integrity.verify_run import check_run
from support.samples import HOUR, MINUTE, NOW, SECOND, a_dispatch, a_run

INSTANT = NOW + SECOND
RUN = a_run(now=INSTANT)
START = StartAttempt(1, "executor", MINUTE, NOW)


def started(run: Run = RUN) -> Run:
    (event,) = decide(run, START)
    return evolve(run, event)


def test_a_start_ahead_begins_at_the_instant_and_so_does_its_lease() -> None:
    assert decide(RUN, START) == [AttemptStarted(attempt=1, executor="executor", wake_at=INSTANT + MINUTE, at=INSTANT)]


def test_a_late_start_keeps_its_own_time() -> None:
    (event,) = decide(RUN, replace(START, now=INSTANT + SECOND))
    assert event.at == INSTANT + SECOND


def test_a_run_that_seems_far_ahead_was_decided_before_the_clock_was_set_back() -> None:
    (event,) = decide(RUN, replace(START, now=NOW - HOUR))
    assert event.at == NOW - HOUR


def test_a_cancellation_ahead_leaves_nothing_to_start() -> None:
    (event,) = decide(RUN, CancelRun("no", NOW))
    assert event == RunCancelled(attempt=None, reason="no", at=INSTANT)
    assert decide(evolve(RUN, event), START) == []


def test_an_attempt_that_is_released_ahead_is_due_at_the_instant() -> None:
    (event,) = decide(started(), ReleaseAttempt(1, NOW))
    assert event == AttemptReleased(attempt=1, at=INSTANT)
    assert evolve(started(), event).wake_at == INSTANT


def test_no_run_is_woken_ahead_of_its_instant() -> None:
    assert decide(RUN, WakeRun(NOW, 0, MINUTE)) == []


def test_the_last_instant_counts_of_several_runs() -> None:
    later = started(a_run(now=INSTANT + SECOND))
    assert instant_ahead(RUN, INSTANT) is None
    assert decided_ahead([RUN, later], NOW) == INSTANT + SECOND
    assert (started_ahead([RUN], NOW), started_ahead([RUN, later], NOW)) == (None, INSTANT + SECOND)
    assert decided_ahead([], NOW) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-500, 1500)), max_size=6))
def test_times_of_a_run_never_lie_before_its_instant(steps: list[tuple[int, int]]) -> None:
    run, events = RUN, [a_dispatch(INSTANT)]
    for kind, milliseconds in steps:
        now = NOW + timedelta(milliseconds=milliseconds)
        commands: list[RunCommand] = [
            replace(START, now=now), CancelRun(None, now), DeferRun(run.dispatch, "executor", now, 0),
            WakeRun(now, 0, MINUTE, free=True),
        ]  # fmt: skip
        for event in decide(run, commands[kind]) if run.active else ():
            run, events = evolve(run, event), [*events, event]  # type: ignore[list-item]
    assert all(event.at >= INSTANT for event in events)
    assert list(check_run("run", events)) == []


@pytest.mark.parametrize(("early", "breaches"), [(SECOND, 1), (timedelta(0), 0), (HOUR, 0)])
def test_verify_finds_a_start_before_the_instant(early: timedelta, breaches: int) -> None:
    begun = AttemptStarted(attempt=1, executor="executor", wake_at=NOW + HOUR, at=INSTANT - early)
    assert len(list(check_run("run", [a_dispatch(INSTANT), begun]))) == breaches
    assert RUN.status is RunStatus.DISPATCHED
