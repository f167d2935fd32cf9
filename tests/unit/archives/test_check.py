"""Each planted corruption of archives is found, and none where there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from duebook_common.archives.check import check_archives
from duebook_common.archives.folder import Folder
from duebook_common.archives.lines import LineFile, read_lines
from support.archives import write_archives

MONTH = "2026-02"


def the(folder: Path, kind: str) -> Path:
    """The file of this kind of the month."""
    [file] = (folder / MONTH).glob(f"{kind}-*")
    return file


def _flip_a_bit(folder: Path) -> None:
    file = the(folder, "events")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def _remove_a_file(folder: Path) -> None:
    the(folder, "runs").unlink()


def _swap_two_files(folder: Path) -> None:
    one, other = the(folder, "events"), the(folder, "runs")
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def _swap_two_archives(folder: Path) -> None:
    (folder / "2026-02").rename(folder / "other")
    (folder / "2026-03").rename(folder / "2026-02")
    (folder / "other").rename(folder / "2026-03")


def _edit_the_manifest(folder: Path) -> None:
    manifest = the(folder, "manifest")
    manifest.write_bytes(manifest.read_bytes().replace(b'"events": 100', b'"events": 101'))


def _remove_the_manifest(folder: Path) -> None:
    the(folder, "manifest").unlink()


async def _rewrite(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines of a file, and compress them again, so that the file itself is sound."""
    target, name = Folder(str(folder)), f"{MONTH}/{the(folder, 'events').name}"
    lines = [line async for some in read_lines(target.read(name)) for line in some]
    file = LineFile(name, "events")
    await file.write(b"".join(line + b"\n" for line in change(lines)))
    await target.put(name, file.complete()[1])


async def _faults(folder: Path, plant: Callable[[Path], None]) -> list[str]:
    target = Folder(str(folder))
    recorded = await write_archives(target, 3)
    plant(folder)
    return [fault.period async for fault in check_archives(target, recorded)]


async def test_sound_archives_have_no_fault(tmp_path: Path) -> None:
    assert await _faults(tmp_path, lambda _: None) == []


@pytest.mark.parametrize("plant", [_flip_a_bit, _remove_a_file, _edit_the_manifest, _remove_the_manifest])
async def test_a_corruption_is_found(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    assert await _faults(tmp_path, plant) == [MONTH]


async def test_two_swapped_files_are_found(tmp_path: Path) -> None:
    assert await _faults(tmp_path, _swap_two_files) == [MONTH, MONTH]


async def test_two_swapped_archives_are_found(tmp_path: Path) -> None:
    assert await _faults(tmp_path, _swap_two_archives) == ["2026-02", "2026-03"]


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [*lines, lines[0]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0].replace(b"1", b"2"), *lines[1:]],
    ],
    ids=["line removed", "line added", "lines swapped", "line changed"],
)
async def test_a_line_changed_in_a_sound_file_is_found(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    target = Folder(str(tmp_path))
    recorded = await write_archives(target, 3)
    await _rewrite(tmp_path, change)
    assert [fault.period async for fault in check_archives(target, recorded)] == [MONTH]


async def test_an_archive_that_the_log_does_not_name_is_no_fault(tmp_path: Path) -> None:
    """A period whose archive was written, and that is still in the database."""
    target = Folder(str(tmp_path))
    recorded = await write_archives(target, 3)
    assert not [fault async for fault in check_archives(target, recorded[:2])]
