"""Both kinds of target keep files alike."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from duebook_common.archives.check import check_archives
from duebook_common.archives.errors import TargetUnavailable
from duebook_common.archives.targets import Target, open_target, read_whole
from support.archives import write_archives


async def test_a_file_is_read_back_and_replaced(target: Target) -> None:
    large = bytes(range(256)) * 10_000
    await target.put("2026-01/events-00001.ndjson.zst", b"old")
    await target.put("2026-01/events-00001.ndjson.zst", large)
    assert await read_whole(target, "2026-01/events-00001.ndjson.zst") == large
    assert await target.names() == ["2026-01/events-00001.ndjson.zst"]


async def test_a_missing_file_is_none(target: Target) -> None:
    assert await read_whole(target, "2026-01/manifest.json") is None
    await target.delete("2026-01/manifest.json")
    assert await target.names() == []


async def test_written_archives_are_sound(target: Target) -> None:
    recorded = await write_archives(target, 2)
    assert not [fault async for fault in check_archives(target, recorded)]


async def test_a_folder_that_does_not_exist_is_refused_and_not_made(tmp_path: Path) -> None:
    target = open_target(str(tmp_path / "mount"))
    for used in (*uses(target), target.delete_unfinished("2026-01/")):
        with pytest.raises(TargetUnavailable, match="does not exist"):
            await used
    assert not (tmp_path / "mount").exists()


def uses(target: Target) -> list[Coroutine[Any, Any, Any]]:
    """Everything a target does."""
    name = "2026-01/manifest.json"
    return [target.put(name, b"{}"), read_whole(target, name), target.names(), target.delete(name)]


async def test_a_bucket_that_does_not_exist_is_one_line(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    for used in uses(open_target("s3://absent/x")):
        with pytest.raises(TargetUnavailable, match=r"^s3://absent/x: the bucket does not exist; create it$"):
            await used


async def test_a_server_that_cannot_be_reached_is_one_line_soon(
    s3: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (s3 | {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TargetUnavailable, match=r"^s3://absent/x: [^\n]* after 5 retries[^\n]*$"):
        await open_target("s3://absent/x").put("2026-01/manifest.json", b"{}")


async def test_a_file_that_was_not_finished_does_not_count(tmp_path: Path) -> None:
    target = open_target(str(tmp_path))
    await target.put("2026-01/manifest.json", b"{}")
    (tmp_path / "2026-01" / "events-00001.ndjson.zst.unfinished").write_bytes(b"half")
    assert await target.names() == ["2026-01/manifest.json"]
