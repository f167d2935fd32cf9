"""A list's cost does not grow with what it does not show: each filter, and each page, finds its rows by an index."""

from typing import Any
from uuid import UUID

import pytest

from duebook_api.history import job_logs
from duebook_api.http.filters import where
from duebook_api.http.paging import PageQuery, encode_cursor
from duebook_api.jobs import routes as job_routes
from duebook_api.runs import dead_letters
from duebook_api.runs import routes as run_routes
from duebook_common.domain.run.state import RunStatus
from duebook_common.store.database import Pool
from support.bookkeeping import created, started
from support.query_cost import grow_table, query_cost

MANY = 20_000
PAGE = 130  # buffers: fifty rows, and the way to them


def test_only_what_is_asked_for_is_a_condition() -> None:
    assert where(("a = {}", None), ("b",), ("(c, d) < ({}, {})", 1, 2), ("e = {}", "x")) == (
        "b AND (c, d) < ($1, $2) AND e = $3",
        [1, 2, "x"],
    )
    assert where(("a = {}", None)) == ("true", [])


JOBS: list[dict[str, Any]] = [
    *({name: "rare"} for name in ("name", "task", "queue", "tag")),
    *({name: "none"} for name in ("name", "task", "queue", "tag")),
    *({"status": status} for status in ("paused", "finished", "deleted")),
    {"status": "paused", "tag": "rare"},
    {"status": "finished", "task": "log"},
    {},
    {"status": "active"},
    {"name": "n", "task": "log", "queue": "default"},
]


async def test_jobs_are_found_among_many(pool: Pool) -> None:
    await created(pool, name="n")
    await grow_table(pool, "jobs", MANY)
    rare = await created(pool, name="rare", task="rare", queue="rare", tags=("rare",))
    await pool.execute("UPDATE jobs SET created_at = '2000-01-01' WHERE job_id = $1", rare)
    for status in ("paused", "finished", "deleted"):
        await pool.execute(
            "UPDATE jobs SET created_at = '2000-01-01', status = $2 WHERE job_id = $1", await created(pool), status
        )
    await pool.execute("ANALYZE jobs")
    for asked in JOBS:
        found = await query_cost(pool, *_flat(job_routes.statement(job_routes.JobQuery(**asked))))
        assert found.buffers <= PAGE, (asked, found)


async def test_the_newest_jobs_may_all_be_deleted(pool: Pool) -> None:
    await created(pool)
    await grow_table(pool, "jobs", MANY)
    await pool.execute("UPDATE jobs SET status = 'deleted', wake_at = NULL")
    await pool.execute("VACUUM ANALYZE jobs")
    for asked in ({}, {"status": "active"}, {"status": "deleted"}):
        assert (await query_cost(pool, *_flat(job_routes.statement(job_routes.JobQuery(**asked))))).buffers <= PAGE, (
            asked
        )


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


async def test_runs_are_found_among_many(pool: Pool) -> None:
    job_id = (await started(pool)).job_id
    await grow_table(pool, "runs", MANY)
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL")
    for status in set(RunStatus) - {RunStatus.SUCCEEDED}:
        run = await started(pool, task="rare", queue="rare")
        await pool.execute("UPDATE runs SET created_at = '2000-01-01', status = $2 WHERE run_id = $1", run.id, status)
    await pool.execute("VACUUM ANALYZE runs")
    for asked in [*RUNS, {"job_id": str(run.job_id)}, {"job_id": str(job_id)}]:
        found = await query_cost(pool, *_flat(run_routes.statement(run_routes.RunQuery(**asked))))
        assert found.buffers <= PAGE, (asked, found)


@pytest.mark.parametrize("asked", [{}, {"task": "log"}, {"queue": "default"}, {"task": "log", "status": "succeeded"}])
@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_pages_hold_all_that_is_asked_for_once_and_in_order(
    pool: Pool, asked: dict[str, Any], limit: int
) -> None:
    for n in range(20):
        run = await started(pool, **({"task": "other", "queue": "other"} if n % 5 == 0 else {}))
        if n % 2:
            await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL WHERE run_id = $1", run.id)
    await pool.execute("UPDATE runs SET created_at = date_trunc('minute', created_at)")  # many in the same moment
    everything = await pool.fetch("SELECT * FROM runs ORDER BY created_at DESC, run_id DESC")
    expected = [row["run_id"] for row in everything if all(row[name] == value for name, value in asked.items())]
    shown: list[UUID] = []
    cursor: str | None = None
    while not shown or cursor is not None:
        rows = await pool.fetch(*_flat(run_routes.statement(run_routes.RunQuery(**asked, limit=limit, cursor=cursor))))
        shown += [row["run_id"] for row in rows[:limit]]
        cursor = encode_cursor(rows[limit - 1]["created_at"], rows[limit - 1]["run_id"]) if len(rows) > limit else None
    assert shown == expected


@pytest.mark.parametrize("asked", [{}, {"status": "succeeded"}, {"task": "log"}, {"queue": "default"}, {"job_id": ""}])
async def test_a_page_far_back_costs_what_the_first_does(pool: Pool, asked: dict[str, Any]) -> None:
    run = await started(pool)
    await grow_table(pool, "runs", MANY)
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL")
    await pool.execute("VACUUM ANALYZE runs")
    asked = asked | ({"job_id": str(run.job_id)} if "job_id" in asked else {})
    cursor = encode_cursor(*await _place(pool, MANY // 2))
    found = await query_cost(pool, *_flat(run_routes.statement(run_routes.RunQuery(**asked, cursor=cursor))))
    assert found.buffers <= PAGE, found
    assert (
        len(await pool.fetch(*_flat(run_routes.statement(run_routes.RunQuery(**asked, cursor=cursor, limit=200)))))
        == 201
    )


async def _place(pool: Pool, at: int) -> tuple[Any, Any]:
    found = await pool.fetchrow("SELECT created_at, run_id FROM runs ORDER BY created_at, run_id OFFSET $1 LIMIT 1", at)
    assert found is not None
    return found["created_at"], found["run_id"]


async def test_dead_letters_are_found_among_many_runs(pool: Pool) -> None:
    await started(pool)
    await grow_table(pool, "runs", MANY)
    await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL")
    await pool.execute("UPDATE runs SET status = 'dead_lettered' WHERE run_id IN (SELECT run_id FROM runs LIMIT 5)")
    await pool.execute("VACUUM ANALYZE runs")
    for asked in ({}, {"task": "log"}, {"queue": "none"}, {"fingerprint": "none"}):
        found = await query_cost(pool, *_flat(dead_letters.statement(dead_letters.DeadLetterQuery(**asked))))
        assert found.buffers <= PAGE, (asked, found)


async def test_the_job_log_does_not_read_past_all_that_is_no_attempt(pool: Pool) -> None:
    await started(pool)
    for _ in range(4):
        await pool.execute(_OTHER_EVENTS, MANY // 4)
    await pool.execute("VACUUM ANALYZE events")
    found = await query_cost(pool, job_logs._ALL, *job_logs._before(PageQuery()), 51)
    assert "events_logged" in found.indexes
    assert found.buffers <= PAGE


_OTHER_EVENTS = """
INSERT INTO events (stream, version, id, type, job_id, data, meta, recorded_at)
SELECT 'job-' || id, 1, id, 'JobCreated', id, '{}', '{}', now()
FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1)) AS made
"""


def _flat(statement: tuple[str, list[object]]) -> tuple[Any, ...]:
    return statement[0], *statement[1]
