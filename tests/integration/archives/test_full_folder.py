"""A folder whose disk is full takes no period from the database, and takes it as soon as there is space."""

from pathlib import Path

import pytest

from duebook_common.archives.archiver import Archiver
from duebook_common.archives.errors import TargetUnavailable
from duebook_common.archives.folder import Folder
from duebook_common.integrity.verify import verify
from duebook_common.store.database import Pool
from support.archiver import LONG_AGO, must_have_left, recorded, with_history
from support.archives import ANY_AGE
from support.bookkeeping import ACTOR
from support.full_disk import full_disk


@pytest.mark.parametrize("space", [0, 100], ids=["no-space", "half-of-a-file"])
async def test_a_full_folder_leaves_the_period_and_no_half_file(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: int
) -> None:
    born, archiver = await with_history(pool), Archiver(pool, Folder(str(tmp_path)), ACTOR)
    with full_disk(monkeypatch, tmp_path, space):
        for _ in range(2):
            with pytest.raises(TargetUnavailable, match=rf"^{tmp_path}: No space left on device; free its disk$"):
                await archiver.archive_due(ANY_AGE)
    assert ([path for path in tmp_path.rglob("*") if path.is_file()], await recorded(pool)) == ([], [])
    assert await pool.fetchval("SELECT status FROM periods WHERE born = $1", born) == "closed"
    assert (await verify(pool, LONG_AGO)).breaches == []
    assert await archiver.archive_due(ANY_AGE) is not None
    await must_have_left(pool, tmp_path, born)
