"""Erasing contents over REST, on a real database: nothing is left of them in any table, and the books agree."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg
import pytest

from duebook_common.integrity.verify import verify
from duebook_common.store.erasure import erase_runs_of_a_job
from support.api_app import Api
from support.contents import read_the_log, tables_with
from support.secret_runs import LINE, SECOND, SECRET, must_agree, run_with_secrets


async def types(api: Api, path: str) -> Sequence[str]:
    return [event["type"] for event in (await api.json(200, "GET", f"{path}/events"))["items"]]


async def test_an_erased_run_leaves_its_frame_and_nothing_of_its_contents(api: Api) -> None:
    job = await api.create(max_retries=1)
    run = await run_with_secrets(api, job["id"])
    path, before = f"/api/run/{run['id']}", await types(api, f"/api/run/{run['id']}")
    held = {"events", "runs", "log_lines", "progress", "task_checkpoints", "mails"}
    assert await tables_with(api.deps.pool, SECRET) == held
    erased = await api.json(200, "POST", f"{path}/erase", {"reason": "request 7"})
    assert await tables_with(api.deps.pool, SECRET) == set()
    assert (erased["status"], erased["result"], erased["error"]) == ("succeeded", None, None)
    assert erased["erased_at"] is not None
    assert await types(api, path) == [*before, "RunErased"]
    assert (await api.json(200, "GET", path))["payload"] is None
    assert "erased" in (await api.json(200, "GET", f"{path}/why"))["because"][-1]["says"]
    await must_agree(api)


async def test_the_payload_of_a_job_outlives_the_erasure_of_its_run(api: Api) -> None:
    dead = await api.dead_letter(payload={"to": SECRET})
    await api.json(200, "POST", f"/api/dead-letter/{dead['id']}/discard", {"reason": "over"})
    await read_the_log(api.deps.pool)
    await api.json(200, "POST", f"/api/run/{dead['id']}/erase")
    assert (await api.json(200, "GET", f"/api/run/{dead['id']}"))["payload"] == {"to": SECRET}
    await api.json(204, "DELETE", f"/api/job/{dead['job_id']}")
    await api.json(202, "POST", f"/api/job/{dead['job_id']}/erase")
    assert (await api.json(200, "GET", f"/api/run/{dead['id']}"))["payload"] == {}


async def test_a_second_erasure_erases_what_came_late(api: Api) -> None:
    job = await api.create(max_retries=1)
    run = await run_with_secrets(api, job["id"])
    first = await api.json(200, "POST", f"/api/run/{run['id']}/erase")
    await api.deps.pool.execute(LINE, UUID(job["id"]), UUID(run["id"]), SECRET)
    [breach] = (await verify(api.deps.pool)).breaches
    assert (breach.stream, "erase it again" in breach.says) == (f"run-{run['id']}", True)
    assert await api.json(200, "POST", f"/api/run/{run['id']}/erase") == first
    assert await tables_with(api.deps.pool, SECRET) == set()
    await must_agree(api)


async def test_contents_that_are_still_needed_are_not_erased(api: Api) -> None:
    dead = await api.dead_letter()
    refused = await api.json(409, "POST", f"/api/run/{dead['id']}/erase")
    assert (refused["code"], "discard it first" in refused["detail"]) == ("wrong_status", True)
    assert (await api.json(409, "POST", f"/api/job/{dead['job_id']}/erase"))["code"] == "wrong_status"
    await api.json(200, "POST", f"/api/dead-letter/{dead['id']}/discard", {"reason": "over"})
    pending = await api.json(409, "POST", f"/api/run/{dead['id']}/erase")  # no relay has read the log yet
    assert (pending["code"], "repeat the request" in pending["detail"]) == ("outcome_pending", True)
    await read_the_log(api.deps.pool)
    await api.json(200, "POST", f"/api/run/{dead['id']}/erase")
    assert (await api.json(409, "POST", f"/api/run/{dead['id']}/rerun"))["code"] == "erased"
    await api.json(404, "POST", f"/api/run/{uuid4()}/erase")
    await must_agree(api)


async def test_an_erased_job_is_erased_with_all_its_runs(api: Api) -> None:
    fields = {"payload": {"to": SECRET}, "metadata": {"of": SECRET}, "notify": {"to": [SECRET]}, "max_retries": 1}
    job = await api.create(**fields)
    await api.json(200, "PATCH", f"/api/job/{job['id']}", {"metadata": {"still": SECRET}})
    for _ in range(2):
        await run_with_secrets(api, job["id"])
    path = f"/api/job/{job['id']}"
    assert "delete it first" in (await api.json(409, "POST", f"{path}/erase"))["detail"]
    await api.json(204, "DELETE", path)
    erased = await api.json(202, "POST", f"{path}/erase", {"reason": "request 7"})
    assert (erased["payload"], erased["metadata"], erased["notify"]["to"]) == ({}, {}, [])
    await must_agree(api)
    assert await erase_runs_of_a_job(api.deps.pool, api.deps.clock.now()) == 1
    assert await erase_runs_of_a_job(api.deps.pool, api.deps.clock.now()) == 0
    assert await tables_with(api.deps.pool, SECRET) == set()
    assert await api.deps.pool.fetch("SELECT job_id FROM erasures") == []
    assert (await types(api, path))[-1] == "JobErased"
    await must_agree(api)


async def test_runs_with_pending_outcomes_are_erased_later(api: Api) -> None:
    job = await api.create(max_retries=1)
    run = await run_with_secrets(api, job["id"])
    owed = "INSERT INTO mails_owed VALUES ($1, $2, 'succeeded', 5, 0, now())"
    await api.deps.pool.execute(owed, UUID(run["id"]), UUID(job["id"]))
    await api.json(204, "DELETE", f"/api/job/{job['id']}")
    await api.json(202, "POST", f"/api/job/{job['id']}/erase")
    await erase_runs_of_a_job(api.deps.pool, api.deps.clock.now())
    assert "runs" in await tables_with(api.deps.pool, SECRET)
    await api.deps.pool.execute("DELETE FROM mails_owed")
    await erase_runs_of_a_job(api.deps.pool, api.deps.clock.now() + 61 * SECOND)
    assert await tables_with(api.deps.pool, SECRET) == set()
    await must_agree(api)


@pytest.mark.parametrize(
    "change",
    [
        'data = data || \'{"at": "2026-01-01T00:00:00Z"}\'',
        "data = frame_of(data)",
        "data = frame_of(data), salt = NULL, sealed = '\\x00'",
        "data = frame_of(data), salt = NULL, sealed = commitment_of(salt, data), type = 'RunSkipped'",
        "salt = gen_random_uuid()",
    ],
)
async def test_the_log_lets_nothing_change_but_by_an_erasure(api: Api, change: str) -> None:
    await api.create(payload={"n": 1})
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await api.deps.pool.execute(f"UPDATE events SET {change}")


async def test_only_an_event_without_contents_has_no_salt(api: Api) -> None:
    """An erasure can seal every event that `frame_of` shortens, so each of these needs a salt."""
    shortened = """
        SELECT found[1] AS definition FROM regexp_matches(
            pg_get_functiondef('frame_of'::regproc), '{([a-z_,]+)}', 'g'
        ) AS found
    """
    paths = [record["definition"].split(",") for record in await api.deps.pool.fetch(shortened)]
    fields = {path[0] for path in paths if len(path) < 4} | {name for path in paths if len(path) > 3 for name in path}
    assert {"payload", "result", "definition", "notify"} <= fields
    for field in fields:
        assert await api.deps.pool.fetchval("SELECT salt_for(jsonb_build_object($1::text, 1)) IS NOT NULL", field), (
            field
        )
    await api.create(payload={"n": 1})
    found = await api.deps.pool.fetch("SELECT type, salt IS NULL AS bare FROM events")
    assert {record["type"]: record["bare"] for record in found} == {"JobCreated": False}
    assert await api.deps.pool.fetchval('SELECT salt_for(\'{"at": 1, "attempt": 1}\') IS NULL')


async def test_verify_finds_contents_that_are_gone_without_an_erasure(api: Api) -> None:
    job = await api.create(payload={"n": 1})
    change = "data = frame_of(data), salt = NULL, sealed = commitment_of(salt, data)"
    await api.deps.pool.execute(f"UPDATE events SET {change}")
    breaches = (await verify(api.deps.pool)).breaches
    assert (f"job-{job['id']}", "lacks contents") in {(breach.stream, breach.says) for breach in breaches}
