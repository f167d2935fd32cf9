"""Queues: what waits in each, and their pauses, with who and why."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest
from prometheus_client import Gauge

from duebook_api.state.gauges import DeadLetterGauges, OverdueGauges
from duebook_api.state.queue_gauges import QueueGauges
from duebook_api.state.run_counts import STATES
from duebook_common.runtime.telemetry import DUE_RUNS, OVERDUE_JOBS, PAUSED_QUEUES, RUNNING_RUNS
from duebook_common.store.database import Clock, Pool, acquire, transaction
from support.api_app import Api
from support.bookkeeping import dispatched, eventually, past_horizon, started

_CANCEL = """
SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%dead_lettered%GROUP BY%'
"""
LATER = {"name": "a", "scheduled_at": "2100-01-04T02:00:00Z"}


async def test_a_queue_shows_what_waits_in_it_and_since_when(api: Api) -> None:
    run = await dispatched(api.deps.pool, queue="mail")
    await started(api.deps.pool, queue="mail")
    await api.json(201, "POST", "/api/job", {"name": "a", "queue": "mail", "scheduled_at": "2026-01-04T02:00:00Z"})
    shown = await api.json(200, "GET", "/api/queue/mail")
    counts = {name: shown[name] for name in ("due", "waiting", "dispatched", "running", "retrying", "dead_lettered")}
    assert counts == {"due": 1, "waiting": 0, "dispatched": 1, "running": 1, "retrying": 0, "dead_lettered": 0}
    assert shown["oldest_due_at"] == "2026-01-04T02:00:00Z" < run.due_at.isoformat()
    assert (shown["executors"], shown["pause"], shown["frozen"]) == (0, None, False)


async def test_queues_are_listed_by_name_page_by_page(api: Api) -> None:
    for queue in ("c", "a", "b"):
        await api.json(201, "POST", "/api/job", LATER | {"queue": queue})
    assert [each["name"] for each in await api.pages("/api/queue", 2)] == ["a", "b", "c"]
    assert (await api.json(200, "GET", "/api/queue"))["freeze"] is None


async def test_a_pause_is_shown_with_who_and_why_and_is_idempotent(api: Api) -> None:
    await api.json(201, "POST", "/api/job", LATER | {"queue": "mail"})
    paused = await api.json(200, "POST", "/api/queue/mail/pause", {"reason": "provider down"})
    assert (paused["pause"]["reason"], paused["pause"]["paused_by"]) == ("provider down", "anonymous")
    assert await api.json(200, "POST", "/api/queue/mail/pause", {"reason": "provider down"}) == paused
    assert await api.json(200, "POST", "/api/queue/mail/pause") == paused
    other = await api.json(200, "POST", "/api/queue/mail/pause", {"reason": "still down"})
    assert other["pause"] == paused["pause"] | {"reason": "still down"}
    overview = await api.json(200, "GET", "/api/overview")
    assert overview["paused"] == [{"queue": "mail", **other["pause"]}]
    assert (await api.json(200, "POST", "/api/queue/mail/resume"))["pause"] is None
    assert (await api.json(200, "POST", "/api/queue/mail/resume"))["pause"] is None
    await past_horizon(api.deps.pool)
    types = [event["type"] for event in (await api.json(200, "GET", "/api/events"))["items"]]
    assert types[1:] == ["QueuePaused", "QueuePaused", "QueueResumed"]


async def test_a_freeze_pauses_all_queues_and_leaves_their_own_pauses(api: Api) -> None:
    await api.json(201, "POST", "/api/job", LATER)
    await api.json(200, "POST", "/api/queue/default/pause")
    frozen = (await api.json(200, "POST", "/api/freeze", {"reason": "migration"}))["freeze"]
    assert frozen["reason"] == "migration"
    listed = await api.json(200, "GET", "/api/queue")
    assert (listed["freeze"], [each["frozen"] for each in listed["items"]]) == (frozen, [True])
    assert await api.json(200, "POST", "/api/thaw") == {"freeze": None}
    shown = await api.json(200, "GET", "/api/queue/default")
    assert (shown["frozen"], shown["pause"] is None) == (False, False)


@pytest.mark.parametrize("path", ["/api/queue/none", "/api/queue/none/pause", "/api/queue/none/resume"])
async def test_an_unknown_queue_is_404_and_says_what_would_make_it(api: Api, path: str) -> None:
    problem = await api.json(404, "POST" if path.count("/") > 3 else "GET", path)
    assert "a job or an executor must name it first" in problem["detail"]


async def test_a_malformed_name_is_refused_with_what_a_name_may_have(api: Api) -> None:
    for name in ("Mail", "*", "a b", "-x", "x" * 64):
        problem = await api.json(422, "POST", f"/api/queue/{name}/pause")
        assert problem["errors"][0]["pointer"] == "/name"
        assert "begins with a letter or a digit" in problem["detail"]


async def test_jobs_of_a_paused_queue_are_not_overdue(api: Api) -> None:
    await api.json(201, "POST", "/api/job", {"name": "a", "scheduled_at": "2026-01-04T02:00:00Z"})
    gauges = OverdueGauges(api.deps.pool, Clock(), timedelta(minutes=1))
    for path, overdue, paused in (
        ("/api/queue/default/pause", 0, 1), ("/api/freeze", 0, 2), ("/api/queue/default/resume", 0, 1),
        ("/api/thaw", 1, 0),
    ):  # fmt: skip
        await api.json(200, "POST", path)
        await gauges.refresh()
        assert (OVERDUE_JOBS._value.get(), PAUSED_QUEUES._value.get()) == (overdue, paused)


async def test_the_overview_and_the_queues_count_what_is_due_alike(api: Api) -> None:
    await api.json(201, "POST", "/api/job", {"name": "a", "scheduled_at": "2026-01-04T02:00:00Z"})
    later = await api.json(201, "POST", "/api/job", LATER)
    await api.json(202, "POST", f"/api/job/{later['id']}/trigger")
    await api.json(200, "POST", "/api/queue/default/pause")
    [queue] = (await api.json(200, "GET", "/api/queue"))["items"]
    overview = await api.json(200, "GET", "/api/overview")
    [counts] = overview["queues"]
    assert (queue["due"], queue["waiting"]) == (2, 0)  # a job and a run
    assert {name: queue[name] for name in STATES} == {name: counts[name] for name in STATES}
    assert {name: queue[name] for name in STATES} == {name: overview[name] for name in STATES}


async def test_gauges_say_what_an_autoscaler_needs_of_each_queue(api: Api) -> None:
    """What is due or waits and was not sent, and what runs: a run on its way to an executor is neither."""
    await dispatched(api.deps.pool, queue="mail")
    await started(api.deps.pool, queue="mail")
    for queue in ("mail", "pdf"):
        body = {"name": "a", "queue": queue, "scheduled_at": "2026-01-04T02:00:00Z"}
        await api.json(201, "POST", "/api/job", body)
    job = await api.json(201, "POST", "/api/job", LATER | {"queue": "mail"})
    await api.json(200, "POST", f"/api/job/{job['id']}/pause", {"hold": True})
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    assert run["status"] == "waiting"
    gauges = QueueGauges(api.deps)
    await gauges.refresh()
    assert values(DUE_RUNS) == {"default": 0, "mail": 2, "pdf": 1}
    assert values(RUNNING_RUNS) == {"default": 0, "mail": 1, "pdf": 0}


async def test_a_count_of_runs_that_took_too_long_is_repeated_later(api: Api) -> None:
    """The statement is cancelled, as PostgreSQL does after 15 seconds."""
    gauges = QueueGauges(api.deps)
    assert gauges.pace.pause() == timedelta(seconds=15)
    async with transaction(api.deps.pool) as db:
        await db.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        count = asyncio.create_task(gauges.refresh())
        await eventually(partial(cancelled, api.deps.pool))
        assert await count == 0
    assert gauges.pace.pause() == timedelta(seconds=30)


async def test_a_count_of_dead_letters_that_takes_too_long_leaves_the_others_alone(api: Api) -> None:
    await api.json(201, "POST", "/api/job", {"name": "a", "scheduled_at": "2026-01-04T02:00:00Z"})
    await api.json(201, "POST", "/api/job", LATER | {"queue": "mail"})
    await api.json(200, "POST", "/api/queue/mail/pause")
    OVERDUE_JOBS.set(0)
    PAUSED_QUEUES.set(0)
    async with transaction(api.deps.pool) as db:
        await db.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE")
        count = asyncio.create_task(DeadLetterGauges(api.deps.pool, Clock()).refresh())
        await OverdueGauges(api.deps.pool, Clock(), timedelta(minutes=1)).refresh()
        assert (OVERDUE_JOBS._value.get(), PAUSED_QUEUES._value.get()) == (1, 1)
        assert not count.done()
        await eventually(partial(cancelled, api.deps.pool))
        assert await count == 0


async def cancelled(pool: Pool) -> bool:
    async with acquire(pool) as db:
        found: int = await db.fetchval(_CANCEL)
    return found == 1


def values(gauge: Gauge) -> dict[str, float]:
    [metric] = gauge.collect()
    return {sample.labels["queue"]: sample.value for sample in metric.samples}


async def test_a_run_triggered_in_a_paused_queue_waits(api: Api) -> None:
    job = await api.json(201, "POST", "/api/job", LATER)
    await api.json(200, "POST", "/api/queue/default/pause")
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    assert (run["status"], run["reason"]) == ("waiting", "queue")
    why = await api.json(200, "GET", f"/api/run/{run['id']}/why")
    assert why["answer"].startswith("It waits, because the queue “default” is paused by a client without an API key")
    why = await api.json(200, "GET", f"/api/job/{job['id']}/why")
    assert "the queue “default” is paused" in why["answer"]
    await api.json(202, "POST", f"/api/run/{run['id']}/cancel")
