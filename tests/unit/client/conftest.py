"""No command and no client may read the `.duebook/env` of a developer's stack."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
