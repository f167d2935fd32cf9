"""The pages of the executors, from the heartbeats that these have written."""

from uuid import UUID, uuid4

from duebook_common.store.database import Pool
from support.api_app import Api
from support.console import get

HOSTILE = "</script><img src=x onerror=alert(1)>"


async def heartbeat(pool: Pool, host: str, doing: list[str], *, age: str = "1 second") -> str:
    id_ = str(uuid4())
    await pool.execute(
        "INSERT INTO executors (executor, queues, tasks, host, version, slots, running, doing, seen_at)"
        " VALUES ($1, $2, $3, $4, '1.2.3', 10, 3, $5, clock_timestamp() - $6::text::interval)",
        f"{host}/{id_}",
        ["default", "mail"],
        ["log", HOSTILE],
        host,
        [UUID(each) for each in doing],
        age,
    )
    return id_


async def test_an_empty_installation_shows_how_to_start_an_executor(api: Api) -> None:
    page = await get(api, "/console/executors")
    assert "No executor is alive" in page
    assert "duebook-executor" in page


async def test_the_list_shows_slots_state_and_version(api: Api, pool: Pool) -> None:
    alive, lost = await heartbeat(pool, HOSTILE, []), await heartbeat(pool, "old", [], age="2 minutes")
    page = await get(api, "/console/executors")
    assert "1 executor is alive; 3 of 10 slots are in use." in page
    assert f"/console/executors/{alive}" in page
    assert "<img" not in page
    assert lost not in await get(api, "/console/executors?state=alive")
    assert "No executor matches" in await get(api, "/console/executors?queue=none")


async def test_an_executor_shows_the_runs_that_it_executes(api: Api, pool: Pool) -> None:
    job = await api.create(name=HOSTILE)
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    id_ = await heartbeat(pool, "host", [run["id"]])
    await pool.execute(
        "UPDATE runs SET status = 'running', started_at = now(), executor = $1 WHERE run_id = $2::uuid",
        f"host/{id_}",
        run["id"],
    )
    page = await get(api, f"/console/executors/{id_}")
    assert f"/console/jobs/{job['id']}" in page
    assert "<img" not in page
    assert "Not found" in await get(api, "/console/executors/nothing", 404)


async def test_only_the_heartbeat_of_a_lost_executor_grows_old_in_a_page(api: Api, pool: Pool) -> None:
    await heartbeat(pool, "alive", [])
    assert (await get(api, "/console/executors")).count("<relative-time") == 1  # since when it runs
    await heartbeat(pool, "lost", [], age="2 minutes")
    assert (await get(api, "/console/executors?state=lost")).count("<relative-time") == 2
