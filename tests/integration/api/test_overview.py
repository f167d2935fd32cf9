"""`GET /api/overview`: runs by state and queue."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from duebook_api.state import last_hour
from duebook_common.domain.run.commands import StartAttempt, Succeed
from support.api_app import Api
from support.counting import count_all

LEASE = timedelta(seconds=30)


async def test_an_overview_counts_runs_by_state_and_queue(api: Api) -> None:
    empty = await api.json(200, "GET", "/api/overview")
    assert (empty["running"], empty["queues"], empty["oldest_dead_letter_at"]) == (0, [], None)
    dead = await api.dead_letter(queue="mail")
    job = await api.create(overlap="buffer_all", scheduled_at="2100-01-01T00:00:00Z")
    for overlap in ("allow_all", "allow_all", "buffer_all"):
        run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger", {"overlap": overlap})
        if overlap == "allow_all" and (await api.json(200, "GET", "/api/run?status=running"))["items"] == []:
            await api.execute(run["id"], StartAttempt(0, "executor-1", LEASE, datetime.now(UTC)))
    while (found := await api.json(200, "GET", "/api/overview"))["waiting"] == 0:
        await asyncio.sleep(0.05)
    counts = {name: found[name] for name in ("due", "dispatched", "waiting", "running", "retrying", "dead_lettered")}
    expected = {"due": 1, "dispatched": 0, "waiting": 1, "running": 1, "retrying": 0, "dead_lettered": 1}
    assert counts == expected
    assert [queue["queue"] for queue in found["queues"]] == ["default", "mail"]
    assert found["oldest_dead_letter_at"] == dead["finished_at"]
    assert found["overdue_jobs"] == 0


async def test_an_overview_has_the_last_hours_and_the_services(api: Api) -> None:
    job = await api.create()
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    due = datetime.fromisoformat(run["due_at"])
    start = StartAttempt(0, "executor-1", LEASE, due + timedelta(seconds=2))
    await api.execute(run["id"], start, Succeed(1, None, due + timedelta(seconds=12)))
    await count_all(api.deps.pool)
    await api.deps.pool.execute(
        "INSERT INTO services (instance_id, service, host, version, schema, tzdata, settings, draining, started_at, "
        "seen_at) SELECT gen_random_uuid(), 'scheduler', 'h', '1', '1', '1', '{}', false, now(), now() - age "
        "FROM unnest('{0 s,2 min}'::interval[]) AS age"
    )
    found = await api.json(200, "GET", "/api/overview")
    assert (found["last_hour"]["counts"]["succeeded"], found["last_hour"]["started"]) == (1, 1)
    assert found["last_hour"]["lateness"]["p99"] == pytest.approx(2, rel=1 / 6)
    assert (len(found["hours"]), sum(hour["counts"]["succeeded"] for hour in found["hours"])) == (24, 1)
    assert found["services"] == [{"service": "scheduler", "alive": 1, "draining": 0, "lost": 1}]
    api.pass_time(timedelta(minutes=1))
    while (found := await api.json(200, "GET", "/api/overview"))["throughput"] == 0:
        await asyncio.sleep(0.05)
    assert found["throughput"] == pytest.approx(1 / 300, abs=0.001)


async def test_many_who_look_at_once_cost_one_count(api: Api) -> None:
    api.deps.overview._kept._age = 60.0  # however long the requests between the two take
    first = await api.json(200, "GET", "/api/overview")
    await api.dead_letter()
    assert (await api.json(200, "GET", "/api/overview"))["at"] == first["at"]


async def test_an_overview_has_the_sums_of_the_ledgers_of_recurring_jobs(api: Api) -> None:
    begin = (api.deps.clock.now() - timedelta(minutes=50)).isoformat()
    await api.create(scheduled_at=begin)
    jobs = [await api.create(scheduled_at=begin, recurrence={"every": f"PT{n}M"}) for n in (7, 10)]
    await api.deps.pool.execute("UPDATE jobs SET next_at = next_at + '21 minutes', wake_at = now() WHERE runs = 0")
    found = (await api.json(200, "GET", "/api/overview"))["ledger"]
    span = urlencode({"from": found["from"], "to": found["to"]})
    ledgers = [await api.json(200, "GET", f"/api/job/{job['id']}/ledger?{span}") for job in jobs]
    expected = {name: sum(each[name] for each in ledgers) for name in ("expected", "unaccounted")}
    assert found == {"from": found["from"], "to": found["to"], "jobs": 2, **expected}
    assert expected == {"expected": 8 + 5 + 1, "unaccounted": 3 + 3}


@pytest.mark.parametrize(("bound", "value", "left"), [("_TIMES", 12, 1), ("_JOBS", 1, 1), ("_TIMES", 3, 0)])
async def test_the_ledgers_of_an_overview_are_bounded(
    api: Api, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, left: int
) -> None:
    monkeypatch.setattr(last_hour, bound, value)
    begin = (api.deps.clock.now() - timedelta(minutes=50)).isoformat()
    for minutes in (7, 10):
        await api.create(scheduled_at=begin, recurrence={"every": f"PT{minutes}M"})
    assert (await api.json(200, "GET", "/api/overview"))["ledger"]["jobs"] == left
