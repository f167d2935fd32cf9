"""Where archives go in tests, and an api whose runs get there."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from duebook_common.archives.targets import Target, open_target
from support.api_app import Api, running_api
from support.s3_server import s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as environment:
        yield environment


@pytest.fixture(params=["folder", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A target of either kind."""
    if request.param == "folder":
        return open_target(tmp_path.as_uri())
    for name, value in request.getfixturevalue("s3").items():
        monkeypatch.setenv(name, value)
    return open_target(f"s3://archives/{tmp_path.name}/deep")


@pytest.fixture
def folder(tmp_path: Path) -> Target:
    return open_target(str(tmp_path))


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url) as api:
        yield api
