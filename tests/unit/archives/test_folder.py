"""A folder of archives: what a reader leaves behind."""

import asyncio
import os
from pathlib import Path

import pytest

from duebook_common.archives import folder
from duebook_common.archives.folder import Folder


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 24])
async def test_a_file_is_read_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(folder, "_PART", 8)
    content = bytes(range(size))
    (tmp_path / "a").write_bytes(content)
    parts = [part async for part in Folder(str(tmp_path)).read("a")]
    assert (b"".join(parts), len(parts)) == (content, -(-size // 8))


async def test_a_reader_that_is_cancelled_leaves_no_file_open(tmp_path: Path) -> None:
    """An open file that no one holds would fail this test, as pytest raises warnings."""
    os.mkfifo(tmp_path / "a")
    reading = asyncio.ensure_future(anext(Folder(str(tmp_path)).read("a")))
    while (writer := open_for_a_reader(tmp_path / "a")) is None:
        await asyncio.sleep(0.01)
    reading.cancel()  # the loop has not heard yet that the file is open
    with pytest.raises(asyncio.CancelledError):
        await reading
    os.close(writer)
    await asyncio.get_running_loop().shutdown_default_executor()


def open_for_a_reader(pipe: Path) -> int | None:
    """The pipe to write to, once a reader opens it."""
    try:
        return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
