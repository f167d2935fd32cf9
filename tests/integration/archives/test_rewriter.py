"""What was erased leaves its archive with the next run: nothing of it is left in any file, and the chain holds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from duebook_common.archives import rewriter as module
from duebook_common.archives.archiver import Archiver, NotArchived
from duebook_common.archives.folder import Folder
from duebook_common.archives.lines import LineFile
from duebook_common.archives.manifest import decode, digest, encode, manifest_name
from duebook_common.archives.rewriter import Rewriter
from duebook_common.archives.targets import Target, read_whole
from duebook_common.domain.archive import ArchiveRewritten
from duebook_common.store import departure, erasure
from duebook_common.store.archive_handling import record_archive
from duebook_common.store.database import transaction
from duebook_common.store.erasure import erase_runs_of_a_job
from support.api_app import Api
from support.archiver import Killed, kill
from support.archives import ANY_AGE
from support.contents import read_the_log, tables_with
from support.secret_archives import (
    ACTOR,
    all_archives,
    archive_period,
    archived_job,
    erase,
    faults,
    files_with,
    lines_of,
    mail_missed,
    rewrite,
)
from support.secret_runs import SECRET, must_agree, run_with_secrets


async def must_be_gone(api: Api, target: Target) -> None:
    assert await files_with(target, SECRET) == []
    assert await faults(api.deps.pool, target) == []
    assert await tables_with(api.deps.pool, SECRET) == set()
    await must_agree(api)


async def test_an_erased_run_leaves_its_archive(api: Api, target: Target) -> None:
    _, [run] = await archived_job(api, target)
    tables = {name.rpartition("/")[2].partition("-")[0] for name in await files_with(target, SECRET)}
    assert tables == {"events", "log_lines"}
    before = await all_archives(api.deps.pool)
    erased = await erase(api, run)
    assert (erased["archived"], erased["erased_at"] is not None) == (before[0].period, True)
    assert await api.json(200, "GET", f"/api/run/{run['id']}") == erased
    assert await erase(api, run) == erased
    assert await Rewriter(api.deps.pool, target, ACTOR).overdue() > 0
    assert await rewrite(api, target) == [before[0].period]
    assert await rewrite(api, target) == []
    [after] = await all_archives(api.deps.pool)
    assert (after.link, after.previous, after.events) == (2, before[0].digest, before[0].events)
    [left] = await files_with(target, SECRET)  # the mail about missed occurrences is the job's
    assert left.rpartition("/")[2].startswith("events-")
    assert await files_with(target, "no jane") == []
    assert await faults(api.deps.pool, target) == []
    assert await Rewriter(api.deps.pool, target, ACTOR).overdue() == 0
    await must_agree(api)


async def test_what_was_erased_before_it_left_says_so_in_its_archive(api: Api, folder: Target) -> None:
    job = await api.create(recurrence="daily", max_retries=1)
    run = await run_with_secrets(api, job["id"])
    before = (await erase(api, run))["erased_at"]
    await archive_period(api, folder)
    assert await files_with(folder, SECRET) == []
    shown = await api.json(200, "GET", f"/api/run/{run['id']}")
    assert (shown["archived"] is not None, shown["erased_at"]) == (True, before)
    await must_agree(api)


async def test_an_erased_job_leaves_all_its_archives(api: Api, target: Target) -> None:
    job, _ = await archived_job(api, target, runs=2)
    await run_with_secrets(api, job["id"])
    await archive_period(api, target, month=2)
    await run_with_secrets(api, job["id"])
    await api.json(204, "DELETE", f"/api/job/{job['id']}")
    await api.json(202, "POST", f"/api/job/{job['id']}/erase")
    await read_the_log(api.deps.pool)
    assert await erase_runs_of_a_job(api.deps.pool, api.deps.clock.now()) == 1
    assert len(await files_with(target, SECRET)) == 4
    assert len(await rewrite(api, target)) == 2
    await must_be_gone(api, target)


async def test_an_archived_one_off_job_is_erased_with_its_runs(api: Api, folder: Target) -> None:
    job = await api.create(payload={"to": SECRET}, metadata={"of": SECRET}, max_retries=1)
    await run_with_secrets(api, job["id"])
    await api.json(204, "DELETE", f"/api/job/{job['id']}")
    await archive_period(api, folder)
    assert await api.deps.pool.fetchval("SELECT count(*) FROM archived_jobs") == 1
    shown = await api.json(202, "POST", f"/api/job/{job['id']}/erase")
    [archive] = await all_archives(api.deps.pool)
    known = {name: job[name] for name in ("id", "name", "task", "queue", "created_at")}
    assert shown == known | {
        "status": "deleted",
        "updated_at": shown["updated_at"],
        "erased_at": shown["erased_at"],
        "archived": archive.period,
    }
    assert shown["erased_at"] >= shown["updated_at"] > job["created_at"]
    assert await api.deps.pool.fetchval("SELECT request_hash FROM archived_jobs") is None
    assert len(await rewrite(api, folder)) == 1
    await must_be_gone(api, folder)


@pytest.mark.parametrize("at", ["before", "between"])
async def test_a_mail_of_a_period_that_leaves_is_erased_later(
    api: Api, folder: Target, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The archive has the mail already, and the job has no line that says so."""
    job = await api.create(recurrence="daily", max_retries=1)
    await mail_missed(api, job)
    await api.json(204, "DELETE", f"/api/job/{job['id']}")
    await api.json(202, "POST", f"/api/job/{job['id']}/erase")
    pool, erase_archived = api.deps.pool, erasure.erase_archived_job
    with monkeypatch.context() as patch:
        kill(patch, departure, "settle", after=False, at=1)
        with pytest.raises(Killed):
            await archive_period(api, folder)
    with monkeypatch.context() as patch:
        if at == "between":

            async def settled_then(*arguments: Any) -> None:
                await erase_archived(*arguments)
                await departure.settle(pool, await pool.fetchval("SELECT min(born) FROM periods"), 1)

            patch.setattr(erasure, "erase_archived_job", settled_then)
        assert await erase_runs_of_a_job(pool, await pool.fetchval("SELECT now()")) == 1
    assert await Archiver(pool, folder, ACTOR).archive_due(ANY_AGE) is not None
    await pool.execute("UPDATE erasures SET wake_at = now()")
    assert await erase_runs_of_a_job(pool, await pool.fetchval("SELECT now()")) == 1
    assert await files_with(folder, SECRET) != []
    assert len(await rewrite(api, folder)) == 1
    assert await pool.fetchval("SELECT count(*) FROM erasures") == 0
    await must_be_gone(api, folder)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name", "at"),
    [
        (Folder, "put", 1),
        (Folder, "put", 2),
        (Folder, "put", 3),
        (module, "record_archive", 1),
        (Folder, "delete", 1),
        (Folder, "delete", 2),
        (module, "note_swept", 1),
    ],
)
async def test_it_goes_on_wherever_it_was_killed(
    api: Api, folder: Target, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, at: int, after: bool
) -> None:
    job, _ = await archived_job(api, folder)
    await api.json(204, "DELETE", f"/api/job/{job['id']}")
    await api.json(202, "POST", f"/api/job/{job['id']}/erase")
    await read_the_log(api.deps.pool)
    assert await erase_runs_of_a_job(api.deps.pool, api.deps.clock.now()) == 1
    with monkeypatch.context() as patch:
        kill(patch, owner, name, at=at, after=after)
        with pytest.raises(Killed):
            await rewrite(api, folder)
    assert {fault.says for fault in await faults(api.deps.pool, folder) if "still has" not in fault.says} == set()
    await rewrite(api, folder)
    await must_be_gone(api, folder)


_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "changed": lambda content: content[:-9] + bytes(9),
    "no JSON": lambda _: zstandard.compress(b"{\n"),
    "another row": lambda _: zstandard.compress(b"[1]\n{}\n"),
}


@pytest.mark.parametrize("damage", _DAMAGES)
async def test_a_damaged_archive_is_left_as_it_is_and_others_go_on(
    api: Api, folder: Target, tmp_path: Path, damage: str
) -> None:
    _, [first] = await archived_job(api, folder)
    _, [second] = await archived_again(api, folder)
    for run in (first, second):
        await erase(api, run)
    damaged = tmp_path / next(name for name in await files_with(folder, SECRET) if "events" in name)
    content = damaged.read_bytes()
    damaged.write_bytes(_DAMAGES[damage](content))
    before = sorted(await folder.names(f"{damaged.parent.name}/"))
    with pytest.raises(NotArchived, match="is damaged, so that an erasure cannot reach it"):
        await rewrite(api, folder)
    assert sorted(await folder.names(f"{damaged.parent.name}/")) == before
    assert await Rewriter(api.deps.pool, folder, ACTOR).overdue() > 0
    damaged.write_bytes(content)
    assert len(await rewrite(api, folder)) == 1
    assert await faults(api.deps.pool, folder) == []


async def archived_again(api: Api, folder: Target) -> tuple[Any, list[Any]]:
    job = await api.create(recurrence="daily", max_retries=1)
    run = await run_with_secrets(api, job["id"])
    await archive_period(api, folder, month=2)
    return job, [run]


async def forge(api: Api, folder: Target, change: tuple[bytes, bytes]) -> None:
    """Change an event of the archive, and record that as if it were an erasure, as an owner of the database can."""
    [archive] = await all_archives(api.deps.pool)
    content = await read_whole(folder, manifest_name(archive.period, archive.digest))
    assert content is not None
    manifest = decode(content)
    [events] = [file for file in manifest.files if file.table == "events"]
    file = LineFile(f"{archive.period}/events-00001", "events")
    lines = [line async for line in lines_of(folder, events.name)]
    assert any(change[0] in line for line in lines)
    await file.write(b"".join(line.replace(*change) + b"\n" for line in lines))
    described, written = file.complete()
    await folder.put(described.name, written)
    files = [described if each is events else each for each in manifest.files]
    forged = replace(
        manifest, files=files, link=archive.link + 1, previous=archive.digest, replaces=archive.digest, erasures=1
    )
    await folder.put(manifest_name(archive.period, digest(encode(forged))), encode(forged))
    event = ArchiveRewritten(
        number=archive.number,
        digest=digest(encode(forged)),
        replaces=archive.digest,
        previous=archive.digest,
        erasures=1,
        bytes=forged.bytes,
        at=archive.archived_at,
    )
    async with transaction(api.deps.pool) as db:
        await record_archive(db, event, forged.link, ACTOR)
    await folder.delete(events.name)


@pytest.mark.parametrize(
    "change",
    [(b'"executor-1"', b'"executor-2"'), (b"no jane.doe@example.org", b"no one")],
    ids=["frame", "contents"],
)
async def test_a_forged_erasure_is_found(api: Api, folder: Target, change: tuple[bytes, bytes]) -> None:
    await archived_job(api, folder)
    await forge(api, folder, change)
    [fault] = await faults(api.deps.pool, folder)
    assert "are not those that left the database" in fault.says


async def test_one_process_at_a_time_writes_archives(api: Api, folder: Target) -> None:
    _, [run] = await archived_job(api, folder)
    await erase(api, run)
    async with departure.alone(api.deps.pool) as db:
        assert db is not None
        assert await rewrite(api, folder) == []
    assert len(await rewrite(api, folder)) == 1
