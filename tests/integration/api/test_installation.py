"""Executors, tasks and the system as a whole: what runs, and how it is set up."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat as uuids

from duebook_common.domain.run.commands import StartAttempt
from duebook_common.runtime.health import Health
from duebook_common.runtime.settings import Settings, read
from duebook_common.store import executors
from duebook_common.store.executors import About, Work
from duebook_common.store.services import Instance, Presence
from support.api_app import Api
from support.bookkeeping import past_horizon

SILENT = "UPDATE executors SET seen_at = clock_timestamp() - interval '2 minutes' WHERE executor = $1"
STARTED = datetime(2026, 6, 1, tzinfo=UTC)


async def register(api: Api, host: str, *tasks: str, queue: str = "default") -> str:
    """A new executor; returns its id."""
    id_ = uuids.uuid7()
    about = About(host, "0.1.0", 10, STARTED)
    await executors.register(api.deps.pool, f"executor {host}/{id_}", [queue], tasks, about)
    return str(id_)


async def test_an_executor_shows_what_it_serves_and_how_busy_it_is(api: Api) -> None:
    id_ = await register(api, "worker-1", "report", "log")
    [shown] = (await api.json(200, "GET", "/api/executor"))["items"]
    assert shown["id"] == id_
    assert (shown["host"], shown["version"], shown["state"]) == ("worker-1", "0.1.0", "alive")
    assert (shown["queues"], shown["tasks"], shown["slots"]) == (["default"], ["log", "report"], 10)
    assert datetime.fromisoformat(shown["started_at"]) == STARTED


async def test_executors_are_found_by_state_queue_and_task(api: Api) -> None:
    lost, draining = await register(api, "a", "log"), await register(api, "b", "log")
    alive = await register(api, "c", "report", queue="gpu")
    await api.deps.pool.execute(SILENT, f"executor a/{lost}")
    await executors.drain(api.deps.pool, f"executor b/{draining}")
    for filter_, expected in (
        ("state=lost", {lost}), ("state=draining", {draining}), ("state=alive", {alive}), ("queue=gpu", {alive}),
        ("task=log", {lost, draining}), ("task=none", set()), ("", {lost, draining, alive}),
    ):  # fmt: skip
        found = await api.pages(f"/api/executor?{filter_}", 1)
        assert {each["id"] for each in found} == expected, filter_


async def test_an_executor_shows_the_runs_that_it_executes(api: Api) -> None:
    id_ = await register(api, "worker-1", "log")
    name = f"executor worker-1/{id_}"
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    await api.execute(run["id"], StartAttempt(0, name, timedelta(seconds=30), datetime.now(UTC)))
    other = await api.json(202, "POST", f"/api/job/{job['id']}/trigger", {"overlap": "allow_all"})
    # The second has ended, or runs elsewhere, since the executor was heard of.
    await executors.renew(api.deps.pool, name, Work(2, [UUID(run["id"]), UUID(other["id"])]))
    shown = await api.json(200, "GET", f"/api/executor/{id_}")
    assert (shown["running"], [each["id"] for each in shown["runs"]]) == (2, [run["id"]])
    assert (await api.http.get("/api/executor", params={"state": "gone"})).status_code == 422
    await api.json(404, "GET", f"/api/executor/{uuids.uuid7()}")


async def test_a_task_shows_its_schema_and_who_has_it(api: Api) -> None:
    for name, schema in (("report", b'{"type": "object"}'), ("a/b c", None)):
        add = "INSERT INTO tasks (name, payload_schema, seen_at) VALUES ($1, $2, $3)"
        await api.deps.pool.execute(add, name, schema, STARTED)
    await register(api, "a", "report")
    await register(api, "b", "report", queue="gpu")
    gone = await register(api, "c", "report", queue="gone")
    await executors.drain(api.deps.pool, f"executor c/{gone}")
    listed = await api.pages("/api/task", 1)
    assert [(each["name"], each["executors"], each["queues"]) for each in listed] == [
        ("a/b c", 0, []), ("report", 2, ["default", "gpu"]),
    ]  # fmt: skip
    shown = await api.json(200, "GET", "/api/task/report")
    assert (shown["payload_schema"], shown["defaults"]) == ({"type": "object"}, {})
    assert datetime.fromisoformat(shown["seen_at"]) > STARTED
    assert (await api.json(200, "GET", "/api/task/a%2Fb%20c"))["payload_schema"] is None
    await api.json(404, "GET", "/api/task/none")


async def test_the_system_shows_services_settings_and_sizes(api: Api) -> None:
    for lease in ("PT30S", "PT1M"):
        settings = read(Settings, {"DUEBOOK_POSTGRES_URL": "postgresql://a:s3cret@b/c", "DUEBOOK_GRACE": lease})
        instance = Instance(uuids.uuid7(), "scheduler", settings, STARTED)
        await Presence(api.deps.pool, instance, Health()).step()
    await api.create()
    await past_horizon(api.deps.pool)
    shown = await api.json(200, "GET", "/api/system")
    assert [each["service"] for each in shown["services"]] == ["scheduler", "scheduler"]
    grace = next(each for each in shown["settings"] if each["name"] == "DUEBOOK_GRACE")
    assert {each["value"] for each in grace["values"]} == {"PT30S", "PT1M"}, "they differ, which may be a mistake"
    assert shown["relay_lag_events"] == 1
    assert shown["feed_horizon_age_seconds"] < 60
    assert shown["schema"] == shown["services"][0]["schema"]
    assert {"events", "runs"} <= {table["name"] for table in shown["tables"]}
    assert (shown["archives"]["count"], shown["archives"]["newest"]) == (0, [])
    assert datetime.fromisoformat(shown["archives"]["kept_since"]) <= datetime.now(UTC)
    assert "s3cret" not in str(shown)


async def test_rows_are_counted_before_a_table_is_analysed(api: Api) -> None:
    async with api.deps.pool.acquire() as db:
        await db.execute("CREATE TABLE counted (n integer)")
        await db.execute("INSERT INTO counted SELECT generate_series(1, 3)")
        await db.execute("SELECT pg_stat_force_next_flush()")
    shown = await api.json(200, "GET", "/api/system")
    assert next(table["rows"] for table in shown["tables"] if table["name"] == "counted") == 3
