"""Fixtures of pytest for tests of tasks; pytest finds them by itself where the package duebook is installed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from duebook.testing import EnqueuedTasks, FakeClock


@pytest.fixture
def fake_clock() -> "FakeClock":
    """A clock that starts on 1 January 2026, for `run_task(…, clock=fake_clock)`."""
    from duebook.testing import FakeClock  # noqa: PLC0415 - tests without tasks shall not wait for pydantic

    return FakeClock()


@pytest.fixture
def enqueued() -> "Iterator[EnqueuedTasks]":
    """The calls of `enqueue` during the test: they are recorded, and nothing is sent."""
    from duebook.testing import record_enqueued  # noqa: PLC0415 - see above

    with record_enqueued() as calls:
        yield calls
