"""Fixtures of pytest for tests of tasks; pytest finds them by itself where the package duebook is installed."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from duebook.testing import FakeClock


@pytest.fixture
def fake_clock() -> "FakeClock":
    """A clock that starts on 1 January 2026, for `run_task(…, clock=fake_clock)`."""
    from duebook.testing import FakeClock  # noqa: PLC0415 - tests without tasks shall not wait for pydantic

    return FakeClock()
