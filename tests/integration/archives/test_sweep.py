"""Old files leave the folder of a period, and nothing else does: those of the manifest in force stay."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from duebook_common.archives import archiver, check
from duebook_common.archives.archiver import NotArchived
from duebook_common.archives.chain import FileState, RecordedManifest, recorded_manifests
from duebook_common.archives.folder import Folder
from duebook_common.archives.manifest import Manifest, is_manifest
from duebook_common.archives.targets import Target, open_target
from duebook_common.store.archive_handling import chain
from duebook_common.store.database import UNAVAILABLE, Pool, acquire
from support.api_app import Api
from support.archiver import lose_the_lock
from support.contents import tables_with
from support.secret_archives import (
    all_archives,
    archive_period,
    archived_job,
    end_period,
    erase,
    faults,
    files_with,
    rewrite,
)
from support.secret_runs import SECRET, run_with_secrets


@pytest.mark.parametrize("at", [1, 2], ids=["before the manifest", "after it"])
async def test_what_a_try_that_was_not_recorded_has_left_goes(
    api: Api, folder: Target, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    job = await api.create(recurrence="daily", max_retries=1)
    run = await run_with_secrets(api, job["id"])
    await end_period(api, month=1)
    looks, may_leave = 0, archiver._may_leave

    async def refusing(*arguments: Any) -> None:
        nonlocal looks
        looks += 1
        if looks == at:
            raise NotArchived("a subscriber is behind")
        await may_leave(*arguments)

    monkeypatch.setattr(archiver, "_may_leave", refusing)
    with pytest.raises(NotArchived, match="is behind"):
        await archive_period(api, folder, month=2)
    assert len(await files_with(folder, SECRET)) > 0
    await erase(api, run)
    await archive_period(api, folder, month=3)
    assert await rewrite(api, folder) == []
    assert await files_with(folder, SECRET) == []
    assert await faults(api.deps.pool, folder) == []
    assert await tables_with(api.deps.pool, SECRET) == set()


@pytest.mark.parametrize("at", [1, 2])
async def test_a_sweeper_that_lost_its_lock_deletes_no_new_file(
    api: Api, folder: Target, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """While it lists names, another process writes the archive anew, and records that before the first is deleted."""
    _, [run] = await archived_job(api, folder)
    await api.deps.pool.execute("UPDATE archives SET sweep_due = true")
    put, names, delete, calls = Folder.put, Folder.names, Folder.delete, 0
    written, go, other = asyncio.Event(), asyncio.Event(), list[asyncio.Task[list[str]]]()

    async def waiting(self: Folder, name: str, content: bytes) -> None:
        if is_manifest(name):
            written.set()
            await go.wait()
        await put(self, name, content)

    async def overtaken(self: Folder, under: str = "") -> list[str]:
        nonlocal calls
        calls += 1
        if calls == at:
            await lose_the_lock(api.deps.pool)
            await erase(api, run)
            other.append(asyncio.create_task(rewrite(api, folder)))
            await written.wait()
        return await names(self, under)

    async def late(self: Folder, name: str) -> None:
        if not go.is_set():
            go.set()
            await other[0]
        await delete(self, name)

    for name, step in (("put", waiting), ("names", overtaken), ("delete", late)):
        monkeypatch.setattr(Folder, name, step)
    with pytest.raises(UNAVAILABLE):
        await rewrite(api, folder)
    go.set()
    assert len(await other[0]) == 1
    assert await faults(api.deps.pool, folder) == []


async def test_files_that_were_never_finished_go_too(api: Api, folder: Target, tmp_path: Path) -> None:
    _, [run] = await archived_job(api, folder)
    [archive] = await all_archives(api.deps.pool)
    half = tmp_path / archive.period / "events-00001-0123456789ab.ndjson.zst"
    for path in (half, half.with_name(half.name + ".unfinished")):
        path.write_bytes(SECRET.encode())
    await erase(api, run)
    await rewrite(api, folder)
    assert not [*half.parent.glob("*0123456789ab*")]


async def forget_rewritings(pool: Pool) -> None:
    """As after a restore of the database of before."""
    await pool.execute("ALTER TABLE events DISABLE TRIGGER USER")
    await pool.execute("ALTER TABLE events_kept DISABLE TRIGGER USER")
    await pool.execute("DELETE FROM events WHERE type = 'ArchiveRewritten'")
    await pool.execute("DELETE FROM archives")
    await pool.execute("INSERT INTO archives SELECT * FROM before")


async def test_what_a_restored_database_does_not_know_yet_stays(api: Api, folder: Target) -> None:
    """The database is that of before an erasure: the archive of afterwards is not swept away."""
    _, [run] = await archived_job(api, folder)
    await erase(api, run)
    pool = api.deps.pool
    await pool.execute("CREATE TABLE before AS SELECT * FROM archives")
    await rewrite(api, folder)
    names = await folder.names()
    await forget_rewritings(pool)
    with pytest.raises(NotArchived, match="is missing"):
        await rewrite(api, folder)
    assert await folder.names() == names


async def test_what_a_restored_database_misses_stays_also_once_its_chain_is_as_long(api: Api, folder: Target) -> None:
    _, [run] = await archived_job(api, folder)
    pool = api.deps.pool
    await erase(api, run)
    await pool.execute("CREATE TABLE before AS SELECT * FROM archives")
    await rewrite(api, folder)
    names = set(await folder.names())
    await forget_rewritings(pool)
    await pool.execute("UPDATE archives SET erasures = 9, sweep_due = true")
    for month in (2, 3):
        await run_with_secrets(api, (await api.create(recurrence="daily", max_retries=1))["id"])
        await archive_period(api, folder, month=month)
    with pytest.raises(NotArchived, match="is missing"):
        await rewrite(api, folder)
    assert names <= set(await folder.names())


async def test_a_check_beside_a_rewriting_finds_no_damage(
    api: Api, folder: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, [run] = await archived_job(api, folder)
    await erase(api, run)
    pool, states = api.deps.pool, check.file_states

    async def recorded() -> list[RecordedManifest]:
        async with acquire(pool) as db:
            return recorded_manifests(await chain(db))

    async def overtaken(target: Target, manifest: Manifest) -> dict[str, FileState]:
        monkeypatch.setattr(check, "file_states", states)
        assert len(await rewrite(api, folder)) == 1
        return await states(target, manifest)

    before = await recorded()
    monkeypatch.setattr(check, "file_states", overtaken)
    assert [fault async for fault in check.check_archives(folder, before, pool, recorded)] == []
    assert [fault async for fault in check.check_archives(folder, before, pool)] != []


async def test_a_folder_that_is_not_there_is_named(api: Api, folder: Target, tmp_path: Path) -> None:
    await archived_job(api, folder)
    empty = tmp_path / "not mounted"
    empty.mkdir()
    [fault] = await faults(api.deps.pool, open_target(str(empty)))
    assert fault.says == f"the manifest is missing in {empty}"
    with pytest.raises(OSError, match="for archives does not exist"):
        await faults(api.deps.pool, open_target(str(tmp_path / "absent")))
