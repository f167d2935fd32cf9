"""The cost of a list does not grow with the rows that it does not show: each filter and each page uses an index."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_api.history import job_logs
from duebook_api.http import search
from duebook_api.http.filters import Listing
from duebook_api.http.paging import RUNS as ORDER_OF_RUNS
from duebook_api.http.paging import PageQuery, encode_cursor
from duebook_api.jobs import job_list
from duebook_api.runs import dead_letters, run_list
from duebook_common.domain.run.state import RunStatus
from duebook_common.store.database import Pool
from support.bookkeeping import created, started
from support.query_cost import grow_table, query_cost

MANY = 20_000
PAGE_BUFFERS = 130  # of fifty rows, and of the index


JOBS: list[dict[str, Any]] = [
    *({name: "rare"} for name in ("name", "task", "queue", "tag")),
    *({name: "none"} for name in ("name", "task", "queue", "tag")),
    *({"status": status} for status in ("paused", "finished", "deleted")),
    {"key": ["rare", "none"]},
    {"key": ["rare"], "status": "active"},
    {"status": "paused", "tag": "rare"},
    {"status": "finished", "task": "log"},
    {},
    {"status": "active"},
    {"name": "n", "task": "log", "queue": "default"},
]


async def test_each_filter_of_jobs_uses_an_index(pool: Pool) -> None:
    await created(pool, name="n")
    await grow_table(pool, "jobs", MANY)
    rare = await created(pool, name="rare", task="rare", queue="rare", tags=("rare",))
    await pool.execute("UPDATE jobs SET created_at = '2000-01-01', key = 'rare' WHERE job_id = $1", rare)
    for status in ("paused", "finished", "deleted"):
        await pool.execute(
            "UPDATE jobs SET created_at = '2000-01-01', status = $2 WHERE job_id = $1", await created(pool), status
        )
    await pool.execute("ANALYZE jobs")
    for filters in JOBS:
        found = await query_cost(pool, *_flat(job_list.statement(job_list.JobQuery(**filters))))
        assert found.buffers <= PAGE_BUFFERS, (filters, found)


async def test_the_newest_jobs_may_all_be_deleted(pool: Pool) -> None:
    await created(pool)
    await grow_table(pool, "jobs", MANY)
    await pool.execute("UPDATE jobs SET status = 'deleted', wake_at = NULL")
    await pool.execute("VACUUM ANALYZE jobs")
    for filters in ({}, {"status": "active"}, {"status": "deleted"}):
        assert (
            await query_cost(pool, *_flat(job_list.statement(job_list.JobQuery(**filters))))
        ).buffers <= PAGE_BUFFERS, filters


RUNS: list[dict[str, Any]] = [
    *({name: "rare"} for name in ("task", "queue")),
    *({name: "none"} for name in ("task", "queue")),
    *({"status": status} for status in RunStatus),
    {"status": "dead_lettered", "queue": "default"},
    {"status": "running", "task": "log"},
    {"status": "succeeded", "task": "rare"},
    {"status": "cancelled", "queue": "none"},
    {"task": "log", "queue": "default"},
    {},
]


async def test_each_filter_of_runs_uses_an_index(pool: Pool) -> None:
    job_id = (await started(pool)).job_id
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL")
    await grow_table(pool, "runs", MANY, pending=False)
    for status in set(RunStatus) - {RunStatus.SUCCEEDED}:
        run = await started(pool, task="rare", queue="rare")
        await pool.execute("UPDATE runs SET created_at = '2000-01-01', status = $2 WHERE run_id = $1", run.id, status)
    await pool.execute("VACUUM ANALYZE runs")
    for filters in [*RUNS, {"job_id": str(run.job_id)}, {"job_id": str(job_id)}]:
        found = await query_cost(pool, *_flat(run_list.statement(run_list.RunQuery(**filters))))
        assert found.buffers <= PAGE_BUFFERS, (filters, found)


@pytest.mark.parametrize("filters", [{}, {"task": "log"}, {"queue": "default"}, {"task": "log", "status": "succeeded"}])
@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_the_pages_hold_each_matching_run_once_and_in_order(
    pool: Pool, filters: dict[str, Any], limit: int
) -> None:
    for n in range(20):
        run = await started(pool, **({"task": "other", "queue": "other"} if n % 5 == 0 else {}))
        if n % 2:
            await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL WHERE run_id = $1", run.id)
    await pool.execute("UPDATE runs SET created_at = date_trunc('minute', created_at)")  # many at the same instant
    everything = await pool.fetch("SELECT * FROM runs ORDER BY created_at DESC, nominal_at DESC, run_id DESC")
    expected = [row["run_id"] for row in everything if all(row[name] == value for name, value in filters.items())]
    shown: list[UUID] = []
    cursor: str | None = None
    while not shown or cursor is not None:
        rows = await pool.fetch(*_flat(run_list.statement(run_list.RunQuery(**filters, limit=limit, cursor=cursor))))
        shown += [row["run_id"] for row in rows[:limit]]
        cursor = encode_cursor(PageQuery(), *ORDER_OF_RUNS.of(rows[limit - 1])) if len(rows) > limit else None
    assert shown == expected


async def test_a_late_page_costs_as_much_as_the_first(pool: Pool) -> None:
    run = await started(pool)
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL")
    await grow_table(pool, "runs", MANY, pending=False)
    await pool.execute("VACUUM ANALYZE runs")
    cursor = encode_cursor(PageQuery(), *await _order_of_run(pool, MANY // 2))
    late: list[dict[str, Any]] = [{}, {"status": "succeeded"}, {"task": "log"}, {"queue": "default"}]
    for filters in (*late, {"job_id": str(run.job_id)}):
        found = await query_cost(pool, *_flat(run_list.statement(run_list.RunQuery(**filters, cursor=cursor))))
        assert found.buffers <= PAGE_BUFFERS, (filters, found)
        page = _flat(run_list.statement(run_list.RunQuery(**filters, cursor=cursor, limit=200)))
        assert len(await pool.fetch(*page)) == 201, filters


# Filters that no index serves: a page looks at so many rows, and so costs the same among more of them.
SEARCHES: list[dict[str, Any]] = [
    {"q": "none"},
    {"tag": "of no run"},
    {"executor": "none"},
    {"trigger": "backfill"},
    {"q": "none", "status": "succeeded,dead_lettered"},
    {"q": "none", "queue": "default"},
    {"q": "none", "sort": "created_at"},
    {"q": "none", "due_from": "2026-06-01T00:00:00Z"},
    {"task": "none", "finished_from": "2026-06-01T00:00:00Z"},
]
SEARCH_BUFFERS = 1_400  # for the few rows that these tests let a search look at


@pytest.fixture
def short_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SEARCHED_ROWS", 300)


@pytest.mark.usefixtures("short_searches")
async def test_a_search_looks_at_so_many_rows_and_no_more(pool: Pool) -> None:
    await started(pool)
    await grow_table(pool, "runs", MANY)
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL, finished_at = created_at")
    await pool.execute("VACUUM ANALYZE runs")
    await created(pool, tags=("of no run",))
    for filters in SEARCHES:
        listing = run_list.statement(run_list.RunQuery(**filters))
        assert listing.last_searched is not None
        for statement in (listing.page, listing.last_searched):
            found = await query_cost(pool, *_flat(statement))
            assert found.buffers <= SEARCH_BUFFERS, (filters, found)


async def test_a_search_for_a_tag_that_no_job_has_looks_at_no_run_and_ends(pool: Pool) -> None:
    await started(pool)
    await grow_table(pool, "runs", 1_000)
    await pool.execute("UPDATE runs SET status = 'dead_lettered'")
    for listing in (
        run_list.statement(run_list.RunQuery(tag="none")),
        run_list.statement(run_list.RunQuery(tag="none", sort="-due_at", task="log")),
        dead_letters.statement(dead_letters.DeadLetterQuery(tag="none")),
    ):
        assert listing.last_searched is not None
        for statement in (listing.page, listing.last_searched):
            assert (await query_cost(pool, *_flat(statement))).buffers <= 10, statement


RANGES: list[dict[str, Any]] = [
    {"due_from": "2026-06-01T12:00:05Z", "due_to": "2026-06-01T12:00:06Z"},
    {"finished_from": "2026-06-01T12:00:05Z", "finished_to": "2026-06-01T12:00:06Z"},
    {"due_to": "2026-06-01T12:00:00Z"},
    {"finished_to": "2026-06-01T12:00:00Z"},
    *({"sort": f"{sign}{name}"} for sign in ("", "-") for name in ("created_at", "due_at", "finished_at")),
]


async def test_each_range_and_order_of_runs_uses_an_index(pool: Pool) -> None:
    await started(pool)
    await grow_table(pool, "runs", MANY)
    await pool.execute(
        "UPDATE runs SET status = 'succeeded', wake_at = NULL, due_at = created_at, finished_at = created_at"
    )
    await pool.execute("VACUUM ANALYZE runs")
    for filters in RANGES:
        found = await query_cost(pool, *_flat(run_list.statement(run_list.RunQuery(**filters))))
        assert found.buffers <= PAGE_BUFFERS, (filters, found)


@pytest.mark.usefixtures("short_searches")
async def test_the_orders_of_jobs_use_an_index(pool: Pool) -> None:
    await created(pool)
    await grow_table(pool, "jobs", MANY)
    await pool.execute("UPDATE jobs SET name = 'job ' || created_at")
    await pool.execute("VACUUM ANALYZE jobs")
    for sort in ("created_at", "name", "-name"):
        for filters in ({}, {"q": "none"}, {"task": "none", "status": "active,paused"}):
            listing = job_list.statement(job_list.JobQuery(**filters, sort=sort))
            found = await query_cost(pool, *_flat(listing))
            most = PAGE_BUFFERS if listing.last_searched is None else SEARCH_BUFFERS
            assert found.buffers <= most, (sort, filters, found)


async def _order_of_run(pool: Pool, at: int) -> Sequence[object]:
    columns = ", ".join(ORDER_OF_RUNS.columns)
    row = await pool.fetchrow(f"SELECT {columns} FROM runs ORDER BY {columns} OFFSET $1 LIMIT 1", at)
    return ORDER_OF_RUNS.of(row)


async def test_each_filter_of_dead_letters_uses_an_index(pool: Pool) -> None:
    await started(pool)
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL")
    await grow_table(pool, "runs", MANY, pending=False)
    await pool.execute("UPDATE runs SET status = 'dead_lettered' WHERE run_id IN (SELECT run_id FROM runs LIMIT 5)")
    await pool.execute("VACUUM ANALYZE runs")
    for filters in ({}, {"task": "log"}, {"queue": "none"}, {"fingerprint": "none"}):
        found = await query_cost(pool, *_flat(dead_letters.statement(dead_letters.DeadLetterQuery(**filters))))
        assert found.buffers <= PAGE_BUFFERS, (filters, found)


async def test_the_job_log_does_not_read_events_of_other_kinds(pool: Pool) -> None:
    await started(pool)
    for _ in range(4):
        await pool.execute(_OTHER_EVENTS, MANY // 4)
    await pool.execute("VACUUM ANALYZE events")
    found = await query_cost(pool, *_flat(job_logs.statement(job_logs.LogQuery())))
    assert "events_logged_kept" in found.indexes
    assert found.buffers <= PAGE_BUFFERS


async def test_each_filter_of_the_job_log_uses_an_index(pool: Pool) -> None:
    run = (await started(pool)).id
    await pool.execute(_LOGGED_EVENTS, MANY)
    await pool.execute("VACUUM ANALYZE events")
    for filters in ({"status": "lost"}, {"status": "log"}, {"run_id": str(run)}, {"run_id": str(run), "status": "log"}):
        found = await query_cost(pool, *_flat(job_logs.statement(job_logs.LogQuery(**filters))))
        assert found.buffers <= PAGE_BUFFERS, (filters, found)


async def test_the_log_of_a_run_that_ended_reads_no_lines_of_later_runs(pool: Pool) -> None:
    run = await started(pool)
    await pool.execute(_LINES, run.job_id, run.id, 1, 0)
    await pool.execute(_LINES, run.job_id, uuid4(), MANY, 1_000_000)
    await pool.execute("VACUUM ANALYZE log_lines")
    statement = _flat(job_logs.statement(job_logs.LogQuery(run_id=str(run.id), status="log")))
    assert len(await pool.fetch(*statement)) == 1
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL")
    assert len(await pool.fetch(*statement)) == 1
    assert (await query_cost(pool, *statement)).buffers <= PAGE_BUFFERS


_LINES = """
INSERT INTO log_lines (xid, job_id, run_id, attempt, message, logged_at)
SELECT (pg_current_xact_id()::text::bigint + $4)::text::xid8, $1, $2, 1, 'a line', now() FROM generate_series(1, $3)
"""
_LOGGED_EVENTS = """
INSERT INTO events (stream, version, id, type, job_id, data, meta, recorded_at)
SELECT 'run-' || id, 1, id, 'AttemptStarted', id, '{}', '{}', now()
FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) AS ids
"""


_OTHER_EVENTS = """
INSERT INTO events (stream, version, id, type, job_id, data, meta, recorded_at)
SELECT 'job-' || id, 1, id, 'JobCreated', id, '{}', '{}', now()
FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) AS ids
"""


def _flat(statement: tuple[str, list[object]] | Listing) -> tuple[Any, ...]:
    text, arguments = statement.page if isinstance(statement, Listing) else statement
    return text, *arguments


async def test_the_groups_of_dead_letters_are_counted_by_an_index_alone(pool: Pool) -> None:
    await started(pool)
    await grow_table(pool, "runs", MANY)
    await pool.execute(
        """UPDATE runs SET status = 'dead_lettered', fingerprint = md5((priority * 7)::text), finished_at = created_at,
                          error = repeat('x', 500)"""
    )
    await pool.execute("VACUUM FULL runs")
    await pool.execute("VACUUM ANALYZE runs")
    for filters in ({}, {"fingerprint": "none"}):
        found = await query_cost(pool, *_flat(dead_letters.groups_statement(dead_letters.DeadLetterQuery(**filters))))
        assert found.buffers <= MANY / 30, (filters, found)
