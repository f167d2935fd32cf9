"""Single jobs share commits; a repeat or a poisonous job among them does not affect the others."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from duebook_api.state.create_batcher import JobCreateBatcher
from duebook_common.domain.job.decide import create
from duebook_common.domain.job.state import Job
from duebook_common.store.actor import Actor
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import create_each
from duebook_common.store.job_plan import NewJob
from support.samples import NOW, a_definition


def new(name: str, actor: str = "a", id_: UUID | None = None, **fields: Any) -> NewJob:
    id_ = id_ or uuid4()
    return NewJob(id_, create(id_, a_definition(name=name, **fields), NOW), Actor(actor))


async def test_jobs_that_are_created_at_once_share_commits(pool: Pool) -> None:
    batcher = JobCreateBatcher(pool)
    jobs = await asyncio.gather(*(batcher.create(new(str(n))) for n in range(50)))
    assert [job.definition.name for job in jobs if job] == [str(n) for n in range(50)]
    commits = await pool.fetchval("SELECT count(DISTINCT xid) FROM events")
    assert commits < 5


async def test_a_repeat_and_a_poisonous_job_get_their_own_results(pool: Pool) -> None:
    batcher, same = JobCreateBatcher(pool), uuid4()

    async def submit(id_: UUID, name: str, actor: str = "a") -> Job | Exception | None:
        try:
            return await batcher.create(new(name, actor, id_))
        except asyncpg.PostgresError as error:
            return error

    requests = [(uuid4(), "1"), (same, "2"), (same, "3"), (uuid4(), "\0"), (uuid4(), "4")]
    results = await asyncio.gather(*(submit(id_, name) for id_, name in requests), submit(uuid4(), "5", "b"))
    one, two, three, poison, four, five = results
    assert all(isinstance(each, Job) for each in (one, four, five))
    assert {type(two), type(three)} == {Job, type(None)}  # requests at the same time have no order
    assert isinstance(poison, asyncpg.PostgresError)
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 4


async def test_a_repeat_waits_and_the_others_share_one_commit(pool: Pool) -> None:
    batcher, same = JobCreateBatcher(pool), uuid4()
    ids = [same, *(uuid4() for _ in range(20)), same]
    jobs = await asyncio.gather(*(batcher.create(new("a", id_=id_)) for id_ in ids))
    assert jobs[-1] is None
    assert all(jobs[:-1])
    assert await pool.fetchval("SELECT count(DISTINCT xid) FROM events") <= 2


async def test_jobs_that_commit_alone_are_answered_even_if_the_database_fails_then(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL refuses one of them, so each commits alone; what is committed must not be reported as failed."""
    batcher, commits = JobCreateBatcher(pool), 0

    async def failing_later(pool: Pool, new_jobs: Sequence[NewJob]) -> list[Job | None]:
        nonlocal commits
        commits += 1
        if commits > 4:  # the whole batch, then three jobs
            raise ConnectionResetError
        return await create_each(pool, new_jobs)

    monkeypatch.setattr("duebook_api.state.create_batcher.create_each", failing_later)
    requests = (batcher.create(new(name)) for name in ("1", "2", "3", "\0", "4"))
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert [isinstance(result, Job) for result in results] == [True] * 3 + [False] * 2
    assert await pool.fetchval("SELECT count(*) FROM jobs") == 3


async def test_jobs_of_several_actors_share_a_commit_and_each_event_names_its_own(pool: Pool) -> None:
    batcher = JobCreateBatcher(pool)
    await asyncio.gather(*(batcher.create(new(actor, actor)) for actor in "abab"))
    events = await pool.fetch("SELECT meta->>'actor' AS actor, data->'definition'->>'name' AS name FROM events")
    assert sorted((row["actor"], row["name"]) for row in events) == [("a", "a"), ("a", "a"), ("b", "b"), ("b", "b")]
    assert await pool.fetchval("SELECT count(DISTINCT xid) FROM events") == 1


async def test_a_job_with_a_taken_key_keeps_no_other_from_its_commit(pool: Pool) -> None:
    batcher = JobCreateBatcher(pool)
    requests = (batcher.create(new("a", key=key)) for key in ("k", None, "k", None))
    results = await asyncio.gather(*requests, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Job", "Job", "Job", "JobKeyTaken"]
    assert await pool.fetchval("SELECT count(DISTINCT stream) FROM events") == 3


async def test_a_client_that_disconnects_does_not_affect_the_others(pool: Pool) -> None:
    batcher = JobCreateBatcher(pool)
    leaving = asyncio.create_task(batcher.create(new("left")))
    staying = asyncio.create_task(batcher.create(new("stays")))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying is not None
    assert await batcher.create(new("later")) is not None
