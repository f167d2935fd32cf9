"""Single jobs share commits, and neither a repeat nor poison among them hurts the others."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from duebook_api.state.create_batcher import JobCreateBatcher
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.decide import create
from duebook_common.domain.job.events import JobCreated
from duebook_common.domain.job.state import Job
from duebook_common.store.database import connect
from duebook_common.store.job_handling import Actor

NOW = datetime.now(UTC)


def named(name: str) -> JobCreated:
    return create(uuid4(), Definition(name=name, scheduled_at=NOW), NOW)


async def test_what_is_asked_for_at_once_shares_commits(postgres_url: str) -> None:
    async with connect(postgres_url, "test") as pool:
        gathering = JobCreateBatcher(pool)
        jobs = await asyncio.gather(*(gathering.create(uuid4(), named(str(n)), Actor("a")) for n in range(50)))
        assert [job.definition.name for job in jobs if job] == [str(n) for n in range(50)]
        commits = await pool.fetchval("SELECT count(DISTINCT xid) FROM events")
        assert commits < 5


async def test_a_repeat_and_poison_are_told_by_themselves(postgres_url: str) -> None:
    async with connect(postgres_url, "test") as pool:
        gathering, same = JobCreateBatcher(pool), uuid4()

        async def ask(id_: UUID, name: str, actor: str = "a") -> Job | Exception | None:
            try:
                return await gathering.create(id_, named(name), Actor(actor))
            except asyncpg.PostgresError as error:
                return error

        asked = [(uuid4(), "1"), (same, "2"), (same, "3"), (uuid4(), "\0"), (uuid4(), "4")]
        answers = await asyncio.gather(*(ask(id_, name) for id_, name in asked), ask(uuid4(), "5", "b"))
        one, two, three, poison, four, five = answers
        assert [isinstance(each, Job) for each in (one, two, three, four, five)] == [True, True, False, True, True]
        assert three is None
        assert isinstance(poison, asyncpg.PostgresError)
        assert await pool.fetchval("SELECT count(*) FROM jobs") == 4


async def test_each_event_names_its_own_actor(postgres_url: str) -> None:
    async with connect(postgres_url, "test") as pool:
        gathering = JobCreateBatcher(pool)
        await asyncio.gather(*(gathering.create(uuid4(), named(who), Actor(who)) for who in "abab"))
        told = await pool.fetch("SELECT meta->>'actor' AS actor, data->'definition'->>'name' AS name FROM events")
        assert sorted((row["actor"], row["name"]) for row in told) == [("a", "a"), ("a", "a"), ("b", "b"), ("b", "b")]


async def test_a_client_that_left_does_not_stop_the_others(postgres_url: str) -> None:
    async with connect(postgres_url, "test") as pool:
        gathering = JobCreateBatcher(pool)
        leaving = asyncio.create_task(gathering.create(uuid4(), named("left"), Actor("a")))
        staying = asyncio.create_task(gathering.create(uuid4(), named("stays"), Actor("a")))
        await asyncio.sleep(0)
        leaving.cancel()
        assert await staying is not None
        assert await gathering.create(uuid4(), named("later"), Actor("a")) is not None
