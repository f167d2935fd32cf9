"""A folder that has lost its archives: nothing leaves the database that cannot be read back."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from duebook_common.archives import lines
from duebook_common.archives.archiver import Archiver, NotArchived
from duebook_common.archives.check import check_archives
from duebook_common.archives.folder import Folder
from duebook_common.archives.manifest import is_manifest
from duebook_common.domain.archive import Archive
from duebook_common.domain.run.commands import Succeed
from duebook_common.integrity.verify import verify
from duebook_common.store import departure
from duebook_common.store.database import Pool
from support.archiver import LONG_AGO, Killed, end_period, kill, must_have_left, recorded, with_history
from support.archives import ANY_AGE, LATER
from support.bookkeeping import ACTOR, NOW, do, started


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    folder = tmp_path / "mount"
    folder.mkdir()
    return folder


def unmount(mount: Path) -> None:
    """Leave an empty folder, as a file system does that is not mounted."""
    mount.rename(mount.with_name("volume"))
    mount.mkdir()


def remount(mount: Path) -> None:
    mount.rmdir()
    mount.with_name("volume").rename(mount)


async def archive(pool: Pool, folder: Path) -> Archive | None:
    return await Archiver(pool, Folder(str(folder)), ACTOR).archive_due(ANY_AGE)


async def archive_month(pool: Pool, folder: Path, month: int) -> Archive | None:
    await do(pool, await started(pool), Succeed(1, {"rows": 3}, NOW))
    await end_period(pool, LATER.replace(month=month))
    return await archive(pool, folder)


async def recorded_but_present(
    pool: Pool, mount: Path, monkeypatch: pytest.MonkeyPatch, owner: str = "drop"
) -> datetime:
    """A period whose archiver was killed between the record and the removal."""
    born: datetime = await with_history(pool)
    with monkeypatch.context() as patch:
        kill(patch, departure, owner, after=False)
        with pytest.raises(Killed):
            await archive(pool, mount)
    return born


@pytest.mark.parametrize("owner", ["settle", "drop"])
async def test_a_recorded_archive_that_was_lost_keeps_its_period(
    pool: Pool, mount: Path, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    """The folder is not mounted when the next archiver goes on."""
    born = await recorded_but_present(pool, mount, monkeypatch, owner)
    events = await events_of(pool, born)
    unmount(mount)
    for _ in range(2):
        with pytest.raises(NotArchived, match=f"^{mount} has none of the archives"):
            await archive(pool, mount)
    assert [*mount.iterdir()] == []
    assert await events_of(pool, born) == events > 0
    assert (await verify(pool, LONG_AGO)).breaches == []
    remount(mount)
    assert await archive(pool, mount) is not None
    await must_have_left(pool, mount, born)


async def events_of(pool: Pool, born: Any) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM events WHERE born = $1", born))


@pytest.mark.parametrize("lost", ["events-*", "manifest-*", "*"])
async def test_a_recorded_archive_that_was_lost_is_written_again(
    pool: Pool, mount: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """At another address, or where only some files are lost."""
    born, other = await recorded_but_present(pool, mount, monkeypatch), tmp_path / "other"
    [at] = await pool.fetch("SELECT digest, archived_at FROM archives")
    if lost == "*":
        other.mkdir()
    else:
        mount.rename(other)
        for path in other.glob(f"*/{lost}"):
            path.unlink()
    assert await archive(pool, other) is not None
    assert await pool.fetch("SELECT digest, archived_at FROM archives") == [at]
    await must_have_left(pool, other, born)


async def test_a_recorded_archive_that_cannot_be_written_again_keeps_its_period(
    pool: Pool, mount: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files would be others: as by another version of the library that compresses them."""
    born = await recorded_but_present(pool, mount, monkeypatch)
    monkeypatch.setattr(lines, "_LEVEL", 1)
    mount.rename(tmp_path / "volume")
    other = tmp_path / "other"
    other.mkdir()
    archiver = Archiver(pool, Folder(str(other)), ACTOR)
    for tried in (1, 0):  # once is enough: the whole period would be written each minute
        with pytest.raises(NotArchived, match=rf"the manifest is missing in {other}; mount the folder, or bring"):
            await archiver.archive_due(ANY_AGE)
        assert len([*other.glob("*/events-*")]) == tried
        shutil.rmtree(other)
        other.mkdir()
    assert await events_of(pool, born) > 0
    (tmp_path / "volume").rename(mount)
    assert await archive(pool, mount) is not None
    await must_have_left(pool, mount, born)


async def test_an_archive_that_is_lost_while_rows_get_lines_keeps_its_events(
    pool: Pool, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    born, settle = await with_history(pool), departure.settle

    async def settled(*arguments: Any) -> int:
        left = await settle(*arguments)
        unmount(mount)
        return left

    with monkeypatch.context() as patch:
        patch.setattr(departure, "settle", settled)
        with pytest.raises(NotArchived, match="the manifest is missing"):
            await archive(pool, mount)
    assert await events_of(pool, born) > 0
    remount(mount)
    assert await archive(pool, mount) is not None
    await must_have_left(pool, mount, born)


async def test_a_folder_without_any_of_its_archives_gets_no_further_one(pool: Pool, mount: Path) -> None:
    assert await archive_month(pool, mount, 1) is not None
    unmount(mount)
    with pytest.raises(
        NotArchived, match=rf"^{mount} has none of the archives that were written there; mount the folder"
    ):
        await archive_month(pool, mount, 2)
    assert [*mount.iterdir()] == []
    assert await pool.fetchval("SELECT count(*) FROM periods WHERE status = 'closed'") == 1
    remount(mount)
    assert await archive(pool, mount) is not None
    assert not [fault async for fault in check_archives(Folder(str(mount)), await recorded(pool))]


async def test_a_period_that_was_sealed_takes_events_while_its_folder_is_lost(
    pool: Pool, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await archive_month(pool, mount, 1) is not None
    with monkeypatch.context() as patch:
        kill(patch, departure, "seal", after=True)
        with pytest.raises(Killed):
            await archive_month(pool, mount, 2)
    unmount(mount)
    with pytest.raises(NotArchived, match="has none of the archives"):
        await archive(pool, mount)
    assert await pool.fetchval("SELECT count(*) FROM periods WHERE status = 'leaving'") == 0


async def test_another_address_needs_none_of_the_archives(pool: Pool, mount: Path, tmp_path: Path) -> None:
    assert await archive_month(pool, mount, 1) is not None
    other = tmp_path / "other"
    other.mkdir()
    assert await archive_month(pool, other, 2) is not None
    shutil.copytree(mount, other, dirs_exist_ok=True)
    assert not [fault async for fault in check_archives(Folder(str(other)), await recorded(pool))]


async def test_a_folder_from_an_older_backup_gets_further_archives(pool: Pool, mount: Path) -> None:
    assert await archive_month(pool, mount, 1) is not None
    lost = await archive_month(pool, mount, 2)
    assert lost is not None
    shutil.rmtree(mount / lost.period)
    assert await archive_month(pool, mount, 3) is not None
    faults = [fault async for fault in check_archives(Folder(str(mount)), await recorded(pool))]
    assert [(fault.period, fault.says) for fault in faults] == [(lost.period, f"the manifest is missing in {mount}")]


async def test_a_manifest_that_cannot_be_read_back_is_not_recorded(
    pool: Pool, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    born, put = await with_history(pool), Folder.put

    async def cut(self: Folder, name: str, content: bytes) -> None:
        await put(self, name, content[:50] if is_manifest(name) else content)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "put", cut)
        with pytest.raises(NotArchived, match=r"is not what was written: .*/manifest-"):
            await archive(pool, mount)
    assert not await recorded(pool)
    assert await archive(pool, mount) is not None
    await must_have_left(pool, mount, born)
