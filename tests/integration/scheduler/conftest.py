"""Schedulers on a machine of any speed."""

import pytest

from duebook_scheduler import dispatch_decisions


@pytest.fixture(autouse=True)
def _long_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pass decides all that it has found, however long the machine lets it wait meanwhile."""
    monkeypatch.setattr(dispatch_decisions, "_DECIDING_SECONDS", 60)
