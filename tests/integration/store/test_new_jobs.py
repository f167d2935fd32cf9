"""New jobs in one statement: their rows are the states after their events, and none is made twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_common.domain.definition import Cron, Every, FollowUp
from duebook_common.domain.errors import JobKeyTaken
from duebook_common.domain.job.decide import create
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool
from duebook_common.store.eventstore import PERMANENT, read
from duebook_common.store.job_plan import NewJob
from duebook_common.store.new_jobs import open_jobs
from duebook_common.store.rows import load_jobs
from support.samples import NOW, a_definition

DEFINITIONS: list[dict[str, Any]] = [
    {},
    {"recurrence": Cron("0 2 * * *"), "tags": ("a", "b"), "key": "nightly", "priority": 9},
    {"recurrence": Every(timedelta(minutes=15)), "jitter": timedelta(seconds=30), "max_runs": 3},
    {"queue": "other", "payload": {"a": [1, None, "\u00e9"]}, "metadata": {"team": "x"}, "max_retries": 0},
    {"then": (FollowUp(str(UUID(int=7))),), "left_out": ("queue",)},
]


def new(request_hash: str | None = None, id_: UUID | None = None, **fields: Any) -> NewJob:
    id_ = id_ or uuid4()
    return NewJob(id_, create(id_, a_definition(**fields), NOW, request_hash), Actor("key:a", "00-1-2-3"))


@pytest.mark.parametrize("alone", [True, False])
async def test_the_row_of_a_new_job_is_the_state_after_its_event(pool: Pool, alone: bool) -> None:
    made = [new(f"hash {n}" if n else None, **fields) for n, fields in enumerate(DEFINITIONS)]
    async with pool.acquire() as db:
        for part in ([each] for each in made) if alone else [made]:
            assert await open_jobs(db, part) == {each.id for each in part}
        found = await load_jobs(db, [each.id for each in made])
        opened = await db.fetchval("SELECT born FROM periods WHERE status = 'open'")
        for each in made:
            [recorded] = await read(db, f"job-{each.id}")
            assert (recorded.event, recorded.version, recorded.job_id) == (each.event, 1, each.id)
            assert recorded.meta.keys() == {"actor", "traceparent", "tzdata"}
            job = found[each.id]
            assert job == each.job
            assert job.definition.left_out == each.event.definition.left_out
            expected = opened if each.event.definition.recurrence == "none" else PERMANENT
            assert (job.born, recorded.born) == (expected, expected)


@pytest.mark.parametrize("count", [1, 20])
async def test_a_job_is_made_once_by_any_number_of_writers(pool: Pool, count: int) -> None:
    ids = [uuid4() for _ in range(count)]

    async def write(order: list[UUID]) -> set[UUID]:
        async with pool.acquire() as db:
            return await open_jobs(db, [new(id_=id_) for id_ in order])

    made = await asyncio.gather(*(write(order) for order in (ids, ids[::-1], ids[5:] + ids[:5]) * 3))
    assert sorted(id_ for each in made for id_ in each) == sorted(ids)
    assert (
        await pool.fetchval("SELECT count(*) FROM events") == await pool.fetchval("SELECT count(*) FROM jobs") == count
    )


@pytest.mark.parametrize("recurrence", ["none", Cron("0 2 * * *")])
async def test_a_job_of_an_earlier_period_exists_already(pool: Pool, recurrence: Any) -> None:
    made = new(recurrence=recurrence)
    async with pool.acquire() as db:
        assert await open_jobs(db, [made]) == {made.id}
        await db.execute("SELECT open_period(date_trunc('month', clock_timestamp(), 'UTC') + interval '2 months')")
        assert await open_jobs(db, [made, other := new()]) == {other.id}
        assert await open_jobs(db, [made]) == set()
        assert len(await read(db, f"job-{made.id}")) == 1


async def test_a_job_that_left_for_an_archive_keeps_its_id(pool: Pool) -> None:
    async with pool.acquire() as db:
        left = new()
        await db.execute(
            "INSERT INTO archived_jobs VALUES ($1, 'n', 'log', 'default', 'finished', NULL, $2, $2, 1)", left.id, NOW
        )
        assert await open_jobs(db, [left, other := new()]) == {other.id}
        assert await open_jobs(db, [left]) == set()
        assert await read(db, f"job-{left.id}") == []


async def test_a_key_that_is_taken_leaves_nothing_behind(pool: Pool) -> None:
    async with pool.acquire() as db:
        await open_jobs(db, [new(key="k")])
        with pytest.raises(JobKeyTaken):
            await open_jobs(db, [new(key="k")])
        assert await db.fetchval("SELECT count(*) FROM events") == 1


async def test_an_event_without_a_row_is_no_new_job(pool: Pool) -> None:
    """Torn tables fail the statement: a row must not stand for the stream of another one."""
    made = new()
    async with pool.acquire() as db:
        await open_jobs(db, [made])
        await db.execute("DELETE FROM jobs")
        with pytest.raises(Exception, match="duplicate key"):
            await open_jobs(db, [replace_name(made)])
        assert await db.fetchval("SELECT count(*) FROM jobs") == 0


def replace_name(made: NewJob) -> NewJob:
    definition = replace(made.event.definition, name="another")
    return made._replace(event=replace(made.event, definition=definition))


async def test_one_plan_serves_any_number_of_jobs(pool: Pool) -> None:
    """To plan the statement takes longer than to execute it. A job alone has a statement of its own."""
    async with pool.acquire() as db:
        for count in (1,) * 8 + (2,) * 6 + (200, 7):
            await open_jobs(db, [new() for _ in range(count)])
        # Not found by a part that this query has as well: it would find itself, by chance first.
        plans = "SELECT generic_plans FROM pg_prepared_statements WHERE trim(statement, E'\\n') LIKE 'WITH opened AS%'"
        assert [each[0] for each in await db.fetch(plans)] == [3, 3], "after the five tries that PostgreSQL makes"
