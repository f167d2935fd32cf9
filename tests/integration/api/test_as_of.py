"""Jobs and runs as of an earlier instant, from the log of a real database."""

from dataclasses import replace
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
from support.api_app import FUTURE, Api
from support.bookkeeping import ACTOR, NOW, check_invariants, created, dispatch
from support.samples import MINUTE

INSTANT = timedelta(microseconds=1)


async def recorded(api: Api, path: str) -> list[datetime]:
    """The times at which the events of the stream were recorded."""
    items = (await api.json(200, "GET", f"{path}/events"))["items"]
    return [datetime.fromisoformat(item["recorded_at"]) for item in items]


async def as_of(api: Api, path: str, time: datetime) -> Any:
    return await api.json(200, "GET", f"{path}?as_of={time.isoformat()}")


async def test_a_job_is_shown_as_it_was_after_each_of_its_events(api: Api) -> None:
    job = await api.create(recurrence="daily", payload={"v": 1})
    path, states = f"/api/job/{job['id']}", [job]
    states.append(await api.json(200, "PATCH", path, {"payload": {"v": 2}, "scheduled_at": "2100-02-01T00:00:00Z"}))
    states.append(await api.json(200, "POST", f"{path}/pause", {"reason": "holidays"}))
    states.append(await api.json(200, "POST", f"{path}/resume"))
    await api.json(204, "DELETE", path)
    states.append(await api.json(200, "GET", path))
    times = await recorded(api, path)
    assert [await as_of(api, path, time) for time in times] == states
    assert [await as_of(api, path, time - INSTANT) for time in times[1:]] == states[:-1]


async def test_the_etag_is_that_of_the_version_in_force(api: Api) -> None:
    job = await api.create()
    path = f"/api/job/{job['id']}"
    await api.json(200, "PATCH", path, {"name": "renamed"})
    first, second = await recorded(api, path)
    for time, tag in ((first, '"1"'), (second, '"2"')):
        answer = await api.http.get(path, params={"as_of": time.isoformat()})
        assert answer.headers["etag"] == tag


async def test_a_future_time_shows_the_present_state(api: Api) -> None:
    job = await api.create()
    path = f"/api/job/{job['id']}"
    assert await api.json(200, "GET", f"{path}?as_of=9998-01-01T00:00:00Z") == job
    run = await api.json(202, "POST", f"{path}/trigger")
    assert await api.json(200, "GET", f"/api/run/{run['id']}?as_of={FUTURE}") == run | {"payload": {}}


async def test_before_its_creation_it_is_not_found_and_the_answer_says_when_it_was(api: Api) -> None:
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    for path in (f"/api/job/{job['id']}", f"/api/run/{run['id']}"):
        (created_at,) = await recorded(api, path)
        problem = await api.json(404, "GET", f"{path}?as_of=2020-01-01T00:00:00Z")
        assert f"it exists since {created_at.isoformat().replace('+00:00', 'Z')}" in problem["detail"]
    unknown = await api.json(404, "GET", f"/api/job/{uuid4()}?as_of={FUTURE}")
    assert "exists since" not in unknown["detail"]


@pytest.mark.parametrize("time", ["yesterday", "2026-01-01T00:00:00", "", "1969-12-31T23:59:59Z"])
async def test_a_text_that_is_no_time_is_refused(api: Api, time: str) -> None:
    job = await api.create()
    for path in (f"/api/job/{job['id']}", f"/api/run/{uuid4()}"):
        problem = await api.json(422, "GET", f"{path}?as_of={time}")
        assert problem["errors"][0]["pointer"] == "/as_of"


async def test_an_offset_whose_plus_is_not_encoded_is_accepted(api: Api) -> None:
    job = await api.create()
    (created_at,) = await recorded(api, f"/api/job/{job['id']}")
    local = created_at.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo).isoformat()
    assert "+05:30" in local
    assert await api.json(200, "GET", f"/api/job/{job['id']}?as_of={local}") == job


async def test_a_run_is_shown_as_it_was_after_each_of_its_events(api: Api) -> None:
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    path, states, now = f"/api/run/{run['id']}", [run | {"payload": {}}], datetime.now(UTC)
    for command in (StartAttempt(0, "executor-1", MINUTE, now), Succeed(1, {"rows": 1}, now)):
        await api.execute(run["id"], command)
        states.append(await api.json(200, "GET", path))
    assert [await as_of(api, path, time) for time in await recorded(api, path)] == states


async def test_a_job_is_shown_with_the_runs_that_it_had_then(pool: Pool) -> None:
    """Every state that the row has had, with its number of runs and its next occurrence."""
    job_id = await created(pool, recurrence=Every(MINUTE), overlap=Overlap.SKIP, max_runs=4)
    states: list[tuple[datetime, Job]] = []
    for n in range(8):  # one runs, and while it is active the others are left out
        if n == 3:
            await pool.execute("UPDATE runs SET status = 'succeeded', wake_at = NULL WHERE wake_at IS NOT NULL")
        await handle_job(pool, job_id, dispatch(NOW + n * MINUTE), ACTOR)
        async with pool.acquire() as db:
            time = await db.fetchval("SELECT clock_timestamp()")
            states.append((time, (await load_jobs(db, [job_id]))[job_id]))
    async with pool.acquire() as db:
        for time, job in states:
            assert await job_as_of(db, job_id, time) == job
    assert states[-1][1].runs == 2


async def test_of_several_runs_of_one_decision_the_last_moves_the_job(pool: Pool) -> None:
    job_id = await created(pool, recurrence=Every(MINUTE), overlap=Overlap.ALLOW_ALL)
    outcome = await handle_job(pool, job_id, dispatch(NOW + MINUTE), ACTOR)
    assert outcome is not None
    assert len(outcome.runs) == 2
    await check_invariants(pool, {job_id})
    async with pool.acquire() as db:
        assert await job_as_of(db, job_id, await latest(pool, job_id)) == replace(outcome.job, runs=1)
        first = await job_as_of(db, job_id, await latest(pool, job_id, "JobCreated"))
    assert (first.runs, first.next_at) == (0, NOW)


async def latest(pool: Pool, job_id: UUID, type_: str | None = None) -> datetime:
    query = "SELECT max(recorded_at) FROM events WHERE job_id = $1 AND ($2::text IS NULL OR type = $2)"
    found: datetime = await pool.fetchval(query, job_id, type_)
    return found
