"""The recorded state of its run decides whether an attempt continues, is cancelled, or is lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from duebook_executor.attempt import Attempt, AttemptState
from duebook_executor.heartbeat import interrupt_by_state, needs_look
from duebook_executor.queries import RecordedState
from support.attempts import MemoryRecorder, an_assignment, an_attempt, attempts_with, started

OURS = RecordedState(cancel_requested=False, attempt=1, status="running")


@pytest.fixture
async def attempt() -> AsyncIterator[Attempt]:
    async def endless() -> None:
        await asyncio.Event().wait()

    attempt = await started(attempts_with(MemoryRecorder(), endless), an_assignment())
    yield attempt
    attempt.interrupt(AttemptState.RELEASING)
    await attempt.work


def test_an_attempt_that_waits_for_its_instant_or_takes_long_is_looked_at() -> None:
    attempt = an_attempt()
    attempt.started_at = 10
    assert [needs_look(attempt, now) for now in (8, 10.1, 11)] == [True, False, True]
    attempt.state = AttemptState.ENDING
    assert not needs_look(attempt, 11)


def test_an_attempt_that_still_owns_its_run_goes_on(attempt: Attempt) -> None:
    assert interrupt_by_state([attempt], {attempt.run.id: OURS}) == [attempt]
    assert attempt.state is AttemptState.RUNNING


def test_a_cancelled_attempt_is_interrupted_once_and_keeps_its_run_until_it_stops(attempt: Attempt) -> None:
    cancel = RecordedState(cancel_requested=True, attempt=1, status="running")
    for _ in range(2):
        assert interrupt_by_state([attempt], {attempt.run.id: cancel}) == [attempt]
    assert attempt.state is AttemptState.CANCELLING
    assert attempt.work.cancelling() == 1


@pytest.mark.parametrize(
    "state",
    [
        None,
        RecordedState(cancel_requested=False, attempt=2, status="running"),
        RecordedState(cancel_requested=False, attempt=1, status="retrying"),
        RecordedState(cancel_requested=True, attempt=2, status="running"),
    ],
)
def test_an_attempt_without_its_run_is_lost(attempt: Attempt, state: RecordedState | None) -> None:
    states = {} if state is None else {attempt.run.id: state}
    for _ in range(2):
        assert interrupt_by_state([attempt], states) == []
    assert attempt.state is AttemptState.LOST
    assert attempt.work.cancelling() == 1
