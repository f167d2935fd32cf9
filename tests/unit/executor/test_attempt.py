"""The states of an attempt: what interrupts it, and what no longer does."""

import asyncio
from collections.abc import AsyncIterator
from itertools import product

import pytest

from duebook_executor.attempt import Attempt, AttemptState
from support.attempts import an_attempt

RUNNING, CANCELLING, LOST, RELEASING, ENDING = AttemptState
INTERRUPTIONS = (CANCELLING, LOST, RELEASING)

LEGAL = {
    (RUNNING, CANCELLING),
    (RUNNING, LOST),
    (RUNNING, RELEASING),
    (CANCELLING, LOST),
    (CANCELLING, RELEASING),
    (LOST, RELEASING),
}


@pytest.fixture
async def attempt() -> AsyncIterator[Attempt]:
    """An attempt whose work never ends by itself."""
    attempt = an_attempt()
    attempt.work = asyncio.ensure_future(asyncio.Event().wait())  # type: ignore[arg-type]
    await asyncio.sleep(0)
    yield attempt
    attempt.work.cancel()
    await asyncio.wait([attempt.work])


@pytest.mark.parametrize(("before", "wanted"), list(product(AttemptState, INTERRUPTIONS)))
async def test_an_interruption_takes_effect_where_its_transition_is_legal(
    attempt: Attempt, before: AttemptState, wanted: AttemptState
) -> None:
    attempt.state = before
    legal = (before, wanted) in LEGAL
    assert attempt.interrupt(wanted) is legal
    assert attempt.state is (wanted if legal else before)
    assert attempt.work.cancelling() == int(legal)


@pytest.mark.parametrize("before", AttemptState)
async def test_the_end_follows_every_state_and_is_final(attempt: Attempt, before: AttemptState) -> None:
    attempt.state = before
    attempt.end()
    assert attempt.state is ENDING
    assert not any(attempt.interrupt(state) for state in AttemptState)
    assert attempt.work.cancelling() == 0
