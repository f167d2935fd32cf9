"""Both kinds of target keep files alike."""

from pathlib import Path

import pytest

from duebook_common.archives.check import check_archives
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
    assert await target.names() == []


async def test_written_archives_are_sound(target: Target) -> None:
    recorded = await write_archives(target, 2)
    assert not [fault async for fault in check_archives(target, recorded)]


async def test_a_folder_that_does_not_exist_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="does not exist"):
        await open_target(str(tmp_path / "mount")).put("2026-01/manifest.json", b"{}")
    assert not (tmp_path / "mount").exists()


async def test_a_refusing_server_is_one_line_of_an_error(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OSError, match=r"s3://absent/x: [^\n]*$"):
        await open_target("s3://absent/x").put("2026-01/manifest.json", b"{}")


async def test_a_file_that_was_not_finished_does_not_count(tmp_path: Path) -> None:
    target = open_target(str(tmp_path))
    await target.put("2026-01/manifest.json", b"{}")
    (tmp_path / "2026-01" / "events-00001.ndjson.zst.unfinished").write_bytes(b"half")
    assert await target.names() == ["2026-01/manifest.json"]
