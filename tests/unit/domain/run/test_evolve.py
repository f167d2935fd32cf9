"""The state of a run after each of its events."""

from dataclasses import fields, replace
from typing import Any, get_args

import pytest

from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    FirstEvent,
    Identity,
    RunBuffered,
    RunCancelled,
    RunCancelRequested,
    RunDeadLettered,
    RunDeferred,
    RunDiscarded,
    RunErased,
    RunEvent,
    RunExpired,
    RunHeld,
    RunRedriven,
    RunRequeued,
    RunResumed,
    RunSkipped,
    Startable,
    stream,
)
from duebook_common.domain.run.evolve import evolve, opened
from duebook_common.domain.run.state import ENDED, Run, RunStatus
from support.samples import HOUR, MINUTE, NOW, RUN_ID, SECOND, a_dispatch, a_run

LATER = NOW + HOUR
STARTED = AttemptStarted(attempt=1, executor="executor-1", wake_at=NOW + 30 * SECOND, at=NOW)
FAILED = AttemptFailed(attempt=1, error="boom", failures=1, retry_at=LATER, at=NOW)
DEAD_LETTER = RunDeadLettered(dispatch=1, failures=1, error="boom", fingerprint="f" * 16, wake_at=LATER, at=NOW)
EVENTS: list[tuple[RunEvent, dict[str, Any]]] = [
    (RunExpired(reason="deadline", at=LATER), {"status": "skipped", "reason": "deadline", "finished_at": LATER}),
    (
        RunDeferred(executor="e", wake_at=LATER, at=NOW),
        {"status": "waiting", "reason": "task", "deferrals": 1, "wake_at": LATER},
    ),
    (RunRequeued(dispatch=2, wake_at=LATER, at=NOW), {"status": "dispatched", "dispatch": 2, "wake_at": LATER}),
    (RunHeld(at=NOW), {"status": "waiting", "reason": "paused", "held": True, "admitted": True}),
    (RunResumed(wake_at=LATER, at=NOW), {"status": "dispatched", "held": False, "wake_at": LATER}),
    (STARTED, {"status": "running", "attempt": 1, "executor": "executor-1", "wake_at": NOW + 30 * SECOND}),
    (AttemptSucceeded(attempt=1, result=[1], at=LATER), {"status": "succeeded", "result": [1], "finished_at": LATER}),
    (FAILED, {"status": "retrying", "error": "boom", "failures": 1, "wake_at": LATER, "finished_at": NOW}),
    (
        AttemptLost(attempt=1, error="silent", failures=2, retry_at=None, at=LATER),
        {"status": "retrying", "error": "silent", "failures": 2, "wake_at": LATER, "finished_at": LATER},
    ),
    (AttemptReleased(attempt=1, at=LATER), {"status": "retrying", "failures": 0, "wake_at": LATER}),
    (RunCancelRequested(reason="x", at=LATER), {"status": "dispatched", "cancel_requested": True, "reason": "x"}),
    (RunCancelled(attempt=1, reason="x", at=LATER), {"status": "cancelled", "reason": "x", "finished_at": LATER}),
    (DEAD_LETTER, {"status": "dead_lettered", "fingerprint": "f" * 16, "wake_at": LATER, "finished_at": NOW}),
    (
        RunRedriven(max_attempts=9, reason="x", payload=[2], own_payload=True, at=LATER),
        {"status": "retrying", "max_attempts": 9, "reason": "x", "payload": [2], "edits": 1, "wake_at": LATER},
    ),
    (RunDiscarded(reason="x", at=LATER), {"status": "discarded", "reason": "x", "finished_at": LATER}),
    (RunErased(reason="x", at=LATER), {"erased_at": LATER, "payload": None, "result": None, "error": None}),
]


def test_the_cases_list_every_event_but_the_first() -> None:
    assert {type(event) for event, _ in EVENTS} | set(get_args(FirstEvent)) == set(get_args(RunEvent))


@pytest.mark.parametrize("end", [FAILED, AttemptReleased(attempt=1, at=LATER)])
def test_an_attempt_of_a_held_run_is_followed_by_a_wait_for_the_resume(end: RunEvent) -> None:
    run = a_run(STARTED, RunHeld(at=NOW))
    assert (run.status, run.held) == ("running", True)
    run = evolve(run, end)
    assert (run.status, run.reason, run.not_before) == ("waiting", "paused", LATER)
    resumed = evolve(run, RunResumed(wake_at=LATER, at=NOW))
    assert (resumed.status, resumed.reason, resumed.wake_at, resumed.held) == ("retrying", None, LATER, False)


def test_the_dead_letter_of_a_held_run_is_not_held() -> None:
    last = AttemptFailed(attempt=1, error="boom", failures=1, retry_at=None, at=NOW)
    run = a_run(STARTED, RunHeld(at=NOW), last, DEAD_LETTER)
    assert (run.status, run.reason, run.held) == ("dead_lettered", None, False)


@pytest.mark.parametrize(("event", "changes"), EVENTS, ids=lambda value: type(value).__name__)
def test_each_event_changes_its_fields(event: RunEvent, changes: dict[str, Any]) -> None:
    before = a_run()
    run = evolve(before, event)
    assert {name: getattr(run, name) for name in changes} == changes
    assert run.version == before.version + 1
    if run.status in ENDED:
        assert run.wake_at is None


def test_an_event_does_not_change_the_state_before_it() -> None:
    before = a_run()
    copy = replace(before)
    changed = evolve(before, STARTED)
    assert before == copy
    assert type(changed) is Run
    assert set(vars(changed)) == {field.name for field in fields(Run)}


def test_a_new_attempt_is_unfinished_and_a_success_clears_the_error() -> None:
    failed = a_run(STARTED, FAILED)
    again = evolve(failed, AttemptStarted(attempt=2, executor="executor-2", wake_at=LATER, at=LATER))
    assert (again.attempt, again.executor, again.started_at, again.finished_at) == (2, "executor-2", LATER, None)
    assert again.error == "boom"
    assert evolve(again, AttemptSucceeded(attempt=2, result=None, at=LATER)).error is None


def test_a_redrive_resets_the_run_and_sets_its_due_time() -> None:
    redriven = RunRedriven(max_attempts=9, reason=None, at=LATER)
    assert evolve(replace(a_run(STARTED, FAILED, DEAD_LETTER), not_before=NOW), redriven).not_before is None
    run = evolve(a_run(STARTED, FAILED, DEAD_LETTER, RunCancelRequested(reason="x", at=NOW)), redriven)
    assert (run.failures, run.attempt, run.cancel_requested, run.finished_at) == (0, 1, False, None)
    assert (run.wake_at, run.edits, run.own_payload) == (LATER, 0, False)


def test_a_new_run_has_the_fields_of_its_first_event() -> None:
    event = a_dispatch(priority=9, queue="slow", start_within=MINUTE)
    run = opened(RUN_ID, event)
    for field in {field.name for field in fields(Identity)} - {"definition_at", "next_at", "next_due_at", "at"}:
        assert getattr(run, field) == getattr(event, field), field
    assert run.definition_version == event.definition_at
    assert (run.id, run.version, run.status, run.created_at) == (RUN_ID, 1, RunStatus.DISPATCHED, NOW)
    assert (run.dispatch, run.dispatched_at, run.wake_at) == (1, NOW, event.wake_at)
    assert (run.start_by, run.attempt, run.failures) == (NOW + MINUTE, 0, 0)


def test_a_skipped_run_has_ended_from_the_start() -> None:
    identity = {field.name: getattr(a_dispatch(), field.name) for field in fields(Identity)}
    run = opened(RUN_ID, RunSkipped(**identity, reason="overlap"))
    assert (run.status, run.reason, run.finished_at, run.wake_at) == (RunStatus.SKIPPED, "overlap", NOW, None)


def test_a_waiting_run_has_a_reason_until_it_is_admitted() -> None:
    startable = {field.name: getattr(a_dispatch(), field.name) for field in fields(Startable)}
    run = opened(RUN_ID, RunBuffered(**startable | {"wake_at": LATER}, reason="overlap"))
    assert (run.status, run.reason, run.dispatch, run.wake_at) == (RunStatus.WAITING, "overlap", 0, LATER)
    admitted = evolve(run, RunRequeued(dispatch=1, wake_at=LATER, at=NOW))
    assert (admitted.status, admitted.reason, admitted.dispatch) == (RunStatus.DISPATCHED, None, 1)


def test_a_redriven_run_can_wait_for_its_concurrency_key() -> None:
    run = evolve(a_run(STARTED, FAILED, DEAD_LETTER), RunRedriven(max_attempts=1, reason="fixed", waits=True, at=LATER))
    assert (run.status, run.wake_at, run.reason) == (RunStatus.WAITING, LATER, "fixed")
    admitted = evolve(run, RunRequeued(dispatch=2, wake_at=LATER, at=NOW))
    assert (admitted.status, admitted.reason) == (RunStatus.DISPATCHED, "fixed")


def test_a_first_event_only_opens_a_stream() -> None:
    with pytest.raises(ValueError, match="opens"):
        evolve(a_run(), a_dispatch())


def test_a_stream_is_named_after_its_run() -> None:
    assert stream(RUN_ID) == "run-00000000-0000-0000-0000-000000000008"
