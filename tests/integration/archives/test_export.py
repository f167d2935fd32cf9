"""The files of a period hold its rows, whole and in order, whatever is in them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from duebook_common.archives import export
from duebook_common.archives.export import ExportedTable, Exporter
from duebook_common.archives.folder import Folder
from duebook_common.archives.lines import read_lines
from duebook_common.archives.manifest import LogPosition
from duebook_common.domain.run.commands import Succeed
from duebook_common.runtime.pacing import Pace
from duebook_common.store.database import Pool
from support.bookkeeping import NOW, do, started

WICKED: dict[str, Any] = {
    "text": "quotes \" ' \\ \n \r \t , \u2028 \x01 \x02 \\. ü 漢 🎉",
    "nested": [None, True, 1.5e300, {"": []}],
}


@dataclass(frozen=True)
class CountedPace(Pace):
    """Counts the steps, and rests after none."""

    steps: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        self.steps.append(1)
        yield


async def period(pool: Pool) -> datetime:
    born: datetime = await pool.fetchval("SELECT born FROM periods WHERE status = 'open'")
    return born.astimezone(UTC)


async def rows_of(folder: Path, exported: ExportedTable) -> list[Any]:
    names = [file.name for file in exported.files]
    files = [Folder(str(folder)).read(name) for name in names]
    return [orjson.loads(line) for file in files async for lines in read_lines(file) for line in lines]


async def horizon(pool: Pool) -> int:
    xid: int = await pool.fetchval("SELECT pg_current_xact_id()")
    return xid


async def test_every_row_of_the_period_is_exported_in_order(pool: Pool, tmp_path: Path) -> None:
    for _ in range(3):
        run = await started(pool)
        await do(pool, run, Succeed(1, WICKED, NOW))
    sealed_at = await horizon(pool)
    await started(pool)  # by a later transaction
    exporter = Exporter(pool, Folder(str(tmp_path)), "2026-11", await period(pool), sealed_at)
    exported = await exporter.export("events")
    rows = await rows_of(tmp_path, exported)
    part = f"events_{await period(pool):%Y%m%d%H%M}"
    wanted = f"SELECT to_jsonb(e) FROM {part} AS e WHERE xid < $1 ORDER BY xid, position"
    assert rows == [record[0] for record in await pool.fetch(wanted, sealed_at)]
    assert WICKED in [row["data"].get("result") for row in rows]
    assert exported.lines == len(rows) > 0
    assert exported.first == LogPosition(int(rows[0]["xid"]), rows[0]["position"])
    assert exported.last == LogPosition(int(rows[-1]["xid"]), rows[-1]["position"])


@pytest.mark.parametrize(("limit", "value"), [("MOST_ROWS", 4), ("MOST_BYTES", 1)])
async def test_files_end_by_rows_and_by_size(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    for _ in range(3):
        await do(pool, await started(pool), Succeed(1, None, NOW))
    exporter = Exporter(pool, Folder(str(tmp_path)), "2026-11", await period(pool), await horizon(pool))
    whole = await rows_of(tmp_path, await exporter.export("events"))
    monkeypatch.setattr(export, limit, value)
    exported = await exporter.export("events")
    assert await rows_of(tmp_path, exported) == whole
    assert {file.lines for file in exported.files[:-1]} == {4 if limit == "MOST_ROWS" else 1}
    again = await exporter.export("events")
    assert again.files == exported.files


@pytest.mark.parametrize(("limit", "value"), [("_ROWS_OF_STEP", 2), ("_BYTES_OF_STEP", 1)])
async def test_a_file_is_read_in_steps_with_rests(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    for _ in range(3):
        await do(pool, await started(pool), Succeed(1, None, NOW))
    target, born, sealed_at = Folder(str(tmp_path)), await period(pool), await horizon(pool)
    whole = await rows_of(tmp_path, await Exporter(pool, target, "2026-11", born, sealed_at).export("events"))
    monkeypatch.setattr(export, limit, value)
    pace = CountedPace()
    exported = await Exporter(pool, target, "2026-11", born, sealed_at, pace).export("events")
    assert await rows_of(tmp_path, exported) == whole
    assert (len(exported.files), exported.lines) == (1, len(whole))
    assert len(pace.steps) >= len(whole) / value


async def test_the_end_of_a_table_is_looked_for_once(pool: Pool, tmp_path: Path) -> None:
    await started(pool)
    pace = CountedPace()
    exporter = Exporter(pool, Folder(str(tmp_path)), "2026-11", await period(pool), await horizon(pool), pace)
    assert len((await exporter.export("events")).files) == 1
    assert len(pace.steps) == 2


async def test_a_table_without_rows_has_no_file(pool: Pool, tmp_path: Path) -> None:
    exporter = Exporter(pool, Folder(str(tmp_path)), "2026-11", await period(pool), await horizon(pool))
    assert await exporter.export("log_lines") == ExportedTable(complete=True)
