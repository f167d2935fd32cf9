"""Jobs and runs as they stood at an instant, from the log of a real database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from duebook_api.history.as_of import job_as_of
from duebook_common.domain.definition import Every, Overlap
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.commands import StartAttempt, Succeed
from duebook_common.store.database import Pool
from duebook_common.store.job_handling import handle_job
from duebook_common.store.rows import load_jobs
from support.api_app import FUTURE, Api, running_api
from support.bookkeeping import ACTOR, NOW, check_books, created, dispatch
from support.samples import MINUTE

INSTANT = timedelta(microseconds=1)


@pytest.fixture
async def api(postgres_url: str) -> AsyncIterator[Api]:
    async with running_api(postgres_url) as api:
        yield api


async def recorded(api: Api, path: str) -> list[datetime]:
    """When each of the stream's events was recorded."""
    items = (await api.json(200, "GET", f"{path}/events"))["items"]
    return [datetime.fromisoformat(item["recorded_at"]) for item in items]


async def as_of(api: Api, path: str, time: datetime) -> Any:
    return await api.json(200, "GET", f"{path}?as_of={time.isoformat()}")


async def test_a_job_is_told_as_it_stood_after_each_of_its_events(api: Api) -> None:
    job = await api.create(recurrence="daily", payload={"v": 1})
    path, stood = f"/api/job/{job['id']}", [job]
    stood.append(await api.json(200, "PATCH", path, {"payload": {"v": 2}, "scheduled_at": "2100-02-01T00:00:00Z"}))
    stood.append(await api.json(200, "POST", f"{path}/pause", {"reason": "holidays"}))
    stood.append(await api.json(200, "POST", f"{path}/resume"))
    await api.json(204, "DELETE", path)
    stood.append(await api.json(200, "GET", path))
    times = await recorded(api, path)
    assert [await as_of(api, path, time) for time in times] == stood
    assert [await as_of(api, path, time - INSTANT) for time in times[1:]] == stood[:-1]


async def test_the_etag_is_that_of_the_version_which_was_in_force(api: Api) -> None:
    job = await api.create()
    path = f"/api/job/{job['id']}"
    await api.json(200, "PATCH", path, {"name": "renamed"})
    first, second = await recorded(api, path)
    for time, tag in ((first, '"1"'), (second, '"2"')):
        answer = await api.http.get(path, params={"as_of": time.isoformat()})
        assert answer.headers["etag"] == tag


async def test_a_time_ahead_is_told_as_now(api: Api) -> None:
    job = await api.create()
    path = f"/api/job/{job['id']}"
    assert await api.json(200, "GET", f"{path}?as_of=9998-01-01T00:00:00Z") == job
    run = await api.json(202, "POST", f"{path}/trigger")
    assert await api.json(200, "GET", f"/api/run/{run['id']}?as_of={FUTURE}") == run


async def test_before_its_creation_there_was_none_and_the_answer_says_since_when_there_is(api: Api) -> None:
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    for path in (f"/api/job/{job['id']}", f"/api/run/{run['id']}"):
        (began,) = await recorded(api, path)
        told = await api.json(404, "GET", f"{path}?as_of=2020-01-01T00:00:00Z")
        assert f"it exists since {began.isoformat().replace('+00:00', 'Z')}" in told["detail"]
    nobody = await api.json(404, "GET", f"/api/job/{uuid4()}?as_of={FUTURE}")
    assert "exists since" not in nobody["detail"]


@pytest.mark.parametrize("time", ["yesterday", "2026-01-01T00:00:00", "", "1969-12-31T23:59:59Z"])
async def test_what_is_no_time_is_refused_and_the_parameter_named(api: Api, time: str) -> None:
    job = await api.create()
    for path in (f"/api/job/{job['id']}", f"/api/run/{uuid4()}"):
        told = await api.json(422, "GET", f"{path}?as_of={time}")
        assert told["errors"][0]["pointer"] == "/as_of"


async def test_an_offset_whose_plus_was_not_encoded_is_understood(api: Api) -> None:
    job = await api.create()
    (began,) = await recorded(api, f"/api/job/{job['id']}")
    local = began.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo).isoformat()
    assert "+05:30" in local
    assert await api.json(200, "GET", f"/api/job/{job['id']}?as_of={local}") == job


async def test_a_run_is_told_as_it_stood_after_each_of_its_events(api: Api) -> None:
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    path, stood, now = f"/api/run/{run['id']}", [run], datetime.now(UTC)
    for command in (StartAttempt(0, "executor-1", MINUTE, now), Succeed(1, {"rows": 1}, now)):
        await api.execute(run["id"], command)
        stood.append(await api.json(200, "GET", path))
    assert [await as_of(api, path, time) for time in await recorded(api, path)] == stood


async def test_a_job_is_told_with_the_runs_that_moved_it_by_then(pool: Pool) -> None:
    """Every state that the row ever had is found again, with the number of its runs and where it went on."""
    job_id = await created(pool, recurrence=Every(MINUTE), overlap=Overlap.SKIP, max_runs=4)
    stood: list[tuple[datetime, Job]] = []
    for n in range(8):  # one runs, and while it is active the others are left out
        if n == 3:
            await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL WHERE wake_at IS NOT NULL")
        await handle_job(pool, job_id, dispatch(NOW + n * MINUTE), ACTOR)
        async with pool.acquire() as db:
            time = await db.fetchval("SELECT clock_timestamp()")
            stood.append((time, (await load_jobs(db, [job_id]))[job_id]))
    async with pool.acquire() as db:
        for time, job in stood:
            assert await job_as_of(db, job_id, time) == job
    assert stood[-1][1].runs == 2


async def test_of_many_runs_that_one_decision_opened_the_last_counts(pool: Pool) -> None:
    job_id = await created(pool, recurrence=Every(MINUTE), overlap=Overlap.ALLOW_ALL)
    outcome = await handle_job(pool, job_id, dispatch(NOW + MINUTE), ACTOR)
    assert outcome is not None
    assert len(outcome.runs) == 2
    await check_books(pool, {job_id})
    async with pool.acquire() as db:
        assert await job_as_of(db, job_id, await latest(pool, job_id)) == outcome.job
        first = await job_as_of(db, job_id, await latest(pool, job_id, "JobCreated"))
    assert (first.runs, first.next_at) == (0, NOW)


async def latest(pool: Pool, job_id: UUID, type_: str | None = None) -> datetime:
    query = "SELECT max(recorded_at) FROM events WHERE job_id = $1 AND ($2::text IS NULL OR type = $2)"
    found: datetime = await pool.fetchval(query, job_id, type_)
    return found
