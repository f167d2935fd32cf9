"""An archiver that is stopped, refused or overtaken leaves the period or its archive, and the next run goes on."""

from asyncio import CancelledError
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asyncpg import ConnectionDoesNotExistError, LockNotAvailableError

from duebook_common.archives import archiver as module
from duebook_common.archives.archiver import Archiver, NotArchived
from duebook_common.archives.check import check_archives
from duebook_common.archives.folder import Folder
from duebook_common.archives.manifest import is_manifest
from duebook_common.integrity.verified import remember
from duebook_common.integrity.verify import verify, verify_recent
from duebook_common.store import departure
from duebook_common.store.checkpoints import Checkpoint
from duebook_common.store.database import UNAVAILABLE, Connection, Pool, transaction
from support.archiver import LONG_AGO, Killed, end_period, kill, lose_the_lock, must_have_left, recorded, with_history
from support.archives import ANY_AGE, LATER
from support.bookkeeping import ACTOR

_STATUS = "SELECT status FROM periods WHERE born = $1"
_KNOWN = "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM ledger_lines JOIN archives ON number = archive)"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (departure, "move_open"),
        (departure, "seal"),
        (Folder, "put"),
        (module, "file_states"),
        (module, "record_archive"),
        (departure, "settle"),
        (departure, "drop"),
    ],
)
async def test_it_goes_on_wherever_it_was_killed(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: bool
) -> None:
    born = await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
    with monkeypatch.context() as patch:
        kill(patch, owner, name, after=after)
        with pytest.raises(Killed):
            await archiver.archive_due(ANY_AGE)
    assert (await verify(pool, LONG_AGO)).breaches == []
    await remember(pool, Checkpoint(0, 0))
    recent = await verify_recent(pool, LONG_AGO)
    assert recent is not None
    assert (recent.jobs, recent.breaches) == ((await verify(pool, LONG_AGO)).jobs, [])
    assert await pool.fetchval(_KNOWN) == 4
    while await archiver.archive_due(ANY_AGE) is not None:
        pass
    await must_have_left(pool, tmp_path, born)


@pytest.mark.parametrize("retention", [None, timedelta(days=365)], ids=["none", "longer"])
async def test_a_period_that_is_not_old_enough_any_more_loses_its_seal(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, retention: timedelta | None
) -> None:
    """The archiver was killed, and DUEBOOK_RETENTION changed."""
    born, archiver = await with_history(pool), Archiver(pool, Folder(str(tmp_path)), ACTOR)
    with monkeypatch.context() as patch:
        kill(patch, module, "file_states", after=False)
        with pytest.raises(Killed):
            await archiver.archive_due(ANY_AGE)
    assert await pool.fetchval(_STATUS, born) == "leaving"
    assert await archiver.archive_due(retention) is None
    assert (await pool.fetchval(_STATUS, born), await recorded(pool)) == ("closed", [])
    await end_period(pool, LATER.replace(month=2))
    assert [each is not None for each in [await archiver.archive_due(ANY_AGE) for _ in range(3)]] == [True, True, False]
    assert not [fault async for fault in check_archives(archiver.target, await recorded(pool))]


async def test_a_recorded_period_leaves_also_where_the_retention_became_longer(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    born, archiver = await with_history(pool), Archiver(pool, Folder(str(tmp_path)), ACTOR)
    with monkeypatch.context() as patch:
        kill(patch, departure, "settle", after=False)
        with pytest.raises(Killed):
            await archiver.archive_due(ANY_AGE)
    assert await archiver.archive_due(None) is not None
    await must_have_left(pool, tmp_path, born)


async def test_a_target_that_fails_leaves_the_period_as_it_was(pool: Pool, tmp_path: Path) -> None:
    born = await with_history(pool)
    with pytest.raises(OSError, match="does not exist"):
        await Archiver(pool, Folder(str(tmp_path / "absent")), ACTOR).archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"
    assert await recorded(pool) == []
    assert (await verify(pool, LONG_AGO)).breaches == []


async def test_a_seal_is_taken_back_where_the_rest_cannot_move(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    born = await with_history(pool)
    kill(monkeypatch, departure, "move_open", after=False, at=2, by=LockNotAvailableError)
    with pytest.raises(LockNotAvailableError):
        await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"


async def test_an_archive_whose_commit_got_no_answer_keeps_its_seal(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    born = await with_history(pool)

    @asynccontextmanager
    async def unanswered(pool: Pool) -> AsyncIterator[Connection]:
        async with transaction(pool) as db:
            yield db
        raise ConnectionDoesNotExistError

    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
    with monkeypatch.context() as patch:
        patch.setattr(module, "transaction", unanswered)
        with pytest.raises(ConnectionDoesNotExistError):
            await archiver.archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "leaving"
    assert await archiver.archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)
    assert await archiver.archive_due(ANY_AGE) is None


async def test_an_interruption_takes_the_seal_back(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    born = await with_history(pool)
    kill(monkeypatch, Folder, "put", after=False, by=CancelledError)
    with pytest.raises(CancelledError):
        await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE)
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"


@pytest.mark.parametrize("cause", [CancelledError, NotADirectoryError])
async def test_a_seal_that_cannot_be_taken_back_hides_no_cause(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cause: type[BaseException]
) -> None:
    born = await with_history(pool)
    with monkeypatch.context() as patch:
        kill(patch, Folder, "put", after=False, by=cause)
        kill(patch, departure, "unseal", after=False, by=ConnectionDoesNotExistError)
        with pytest.raises(cause):
            await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE)
    assert await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)


async def test_a_file_that_changed_after_it_was_written_keeps_the_period(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_history(pool)
    put = Folder.put

    async def damaging(self: Folder, name: str, content: bytes) -> None:
        await put(self, name, content[:-1] if name.endswith(".zst") else content)

    monkeypatch.setattr(Folder, "put", damaging)
    with pytest.raises(NotArchived, match="not what was written"):
        await Archiver(pool, Folder(str(tmp_path)), ACTOR).archive_due(ANY_AGE)
    assert await recorded(pool) == []


async def test_two_schedulers_do_not_archive_at_once(pool: Pool, tmp_path: Path) -> None:
    await with_history(pool)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
    async with departure.alone(pool) as db:
        assert db is not None
        assert await archiver.archive_due(ANY_AGE) is None


async def test_a_writer_that_lost_its_lock_changes_no_recorded_archive(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process archives the period between the last look at the lock and the manifest."""
    born, put, target = await with_history(pool), Folder.put, Folder(str(tmp_path))

    async def overtaken(self: Folder, name: str, content: bytes) -> None:
        if is_manifest(name):
            monkeypatch.setattr(Folder, "put", put)
            await lose_the_lock(pool)
            assert await Archiver(pool, target, ACTOR).archive_due(ANY_AGE) is not None
        await put(self, name, content)

    monkeypatch.setattr(Folder, "put", overtaken)
    with pytest.raises(UNAVAILABLE):
        await Archiver(pool, target, ACTOR).archive_due(ANY_AGE)
    await must_have_left(pool, tmp_path, born)


async def test_a_writer_does_not_take_a_later_seal_for_its_own(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events may have come between the two seals, and are in no file of the writer."""
    born, put = await with_history(pool), Folder.put

    async def overtaken(self: Folder, name: str, content: bytes) -> None:
        if is_manifest(name):
            monkeypatch.setattr(Folder, "put", put)
            await departure.unseal(pool, born)
            await departure.seal(pool, born)
        await put(self, name, content)

    monkeypatch.setattr(Folder, "put", overtaken)
    archiver = Archiver(pool, Folder(str(tmp_path)), ACTOR)
    with pytest.raises(NotArchived, match="another process"):
        await archiver.archive_due(ANY_AGE)
    assert not await recorded(pool)
    assert await archiver.archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)
