"""A look for the next targets of a bulk operation costs the same whatever the filter and the number of rows."""

from typing import Any

import pytest

from duebook_common.domain.bulk.events import BulkAction, BulkFilter
from duebook_common.domain.bulk.progress import Cursor, Progress
from duebook_common.store import bulk_targets
from duebook_common.store.bulk_targets import count_targets, next_targets, phases
from duebook_common.store.database import Pool, acquire
from support.bookkeeping import NOW, created, dispatched
from support.query_cost import grow_table, query_cost
from support.samples import DAY

ROWS, SEARCHED, PAGE, BUFFERS = 20_000, 500, 20, 2_000
LATER = NOW + DAY


async def page_after(pool: Pool, action: BulkAction, filter_: BulkFilter, after: Cursor | None) -> Any:
    async with acquire(pool) as db:
        return await next_targets(db, action, filter_, LATER, Progress(cursor=after), PAGE)


async def cost(pool: Pool, action: BulkAction, filter_: BulkFilter, after: Cursor | None) -> int:
    search = bulk_targets._Search(action, filter_, LATER, phases(action, filter_)[0], after)
    page = await query_cost(pool, search.page(PAGE), *search.arguments)
    last = await query_cost(pool, search.last(), *search.indexed_arguments)
    return max(page.buffers, last.buffers)


@pytest.mark.parametrize(
    ("action", "status", "filter_"),
    [
        (BulkAction.CANCEL, "waiting", {}),
        (BulkAction.CANCEL, "waiting", {"status": ("waiting",)}),
        (BulkAction.CANCEL, "waiting", {"tag": "none"}),
        (BulkAction.CANCEL, "retrying", {"q": "none"}),
        (BulkAction.CANCEL, "waiting", {"queue": "none", "executor": "none"}),
        (BulkAction.REDRIVE, "dead_lettered", {}),
        (BulkAction.DISCARD, "dead_lettered", {"fingerprint": "none"}),
    ],
)
async def test_a_look_for_runs_is_bounded(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, action: BulkAction, status: str, filter_: dict[str, Any]
) -> None:
    monkeypatch.setattr(bulk_targets, "SEARCHED_ROWS", SEARCHED)
    await dispatched(pool)
    await pool.execute("UPDATE runs SET status = $1", status)
    await grow_table(pool, "runs", ROWS)
    await _check(pool, action, BulkFilter(**filter_), finds=not filter_ or "status" in filter_)


@pytest.mark.parametrize("filter_", [{}, {"tag": "none"}, {"name": "none"}, {"q": "none"}])
async def test_a_look_for_jobs_is_bounded(pool: Pool, monkeypatch: pytest.MonkeyPatch, filter_: dict[str, Any]) -> None:
    monkeypatch.setattr(bulk_targets, "SEARCHED_ROWS", SEARCHED)
    await created(pool)
    await grow_table(pool, "jobs", ROWS)
    await _check(pool, BulkAction.PAUSE, BulkFilter(**filter_), finds=not filter_)


async def test_a_count_of_a_tag_reads_its_jobs_once(pool: Pool) -> None:
    tagged = await dispatched(pool, tags=("x",))
    await pool.execute("UPDATE runs SET status = 'dead_lettered', fingerprint = 'f', wake_at = NULL")
    await grow_table(pool, "runs", ROWS)
    await dispatched(pool, tags=("y",))
    filter_ = BulkFilter(tag="x")
    search = bulk_targets._Search(BulkAction.REDRIVE, filter_, LATER, ["dead_lettered"], counts=True)
    async with acquire(pool) as db:
        of_tag = await count_targets(db, BulkAction.REDRIVE, filter_, LATER)
        assert await count_targets(db, BulkAction.REDRIVE, BulkFilter(job_id=str(tagged.job_id)), LATER) == of_tag
        assert await count_targets(db, BulkAction.REDRIVE, BulkFilter(tag="y"), LATER) == 0
    assert of_tag > 0
    assert (await query_cost(pool, search.count(), *search.arguments)).buffers < 2 * BUFFERS


async def _check(pool: Pool, action: BulkAction, filter_: BulkFilter, *, finds: bool) -> None:
    """The first look, and one from the middle of the table."""
    after: Cursor | None = None
    for _ in range(2):
        found = await page_after(pool, action, filter_, after)
        assert len(found.targets) == (PAGE if finds else 0)
        assert await cost(pool, action, filter_, after) < BUFFERS
        after = await _middle(pool, action)


async def _middle(pool: Pool, action: BulkAction) -> Cursor:
    """The order of the row in the middle."""
    table = bulk_targets._table_of(action)
    select = f"SELECT {table.key}, {table.columns} FROM {table.name} AS target"
    row = await pool.fetchrow(f"{select} ORDER BY {table.order} OFFSET {ROWS // 2} LIMIT 1")
    return bulk_targets._target(row).cursor
