"""The command line with an api, and without one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fleet import Platform
from support.program import FIRST_KEY, Program


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command may read the `.duebook/env` of a developer's stack."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def offline(postgres_url: str) -> Program:
    """The program with a database and without an api."""
    return Program({"DUEBOOK_POSTGRES_URL": postgres_url})


@pytest.fixture
def duebook(postgres_url: str, redis_url: str) -> Iterator[Program]:
    urls = {"DUEBOOK_POSTGRES_URL": postgres_url, "DUEBOOK_REDIS_URL": redis_url}
    with Platform({**urls, "DUEBOOK_AUTH": "required", "DUEBOOK_API_KEY": FIRST_KEY}) as platform:
        platform.start("api")
        yield Program({"DUEBOOK_URL": platform["api", 0].url, "DUEBOOK_API_KEY": FIRST_KEY, **urls})
