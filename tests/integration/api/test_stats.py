"""Statistics over REST, on a real database."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from duebook_common.domain.run.commands import StartAttempt, Succeed
from duebook_common.domain.statistics import DAY, HOUR, MINUTE, Dimension
from duebook_common.store.statistics_queries import StatisticsRange, read_starts
from support.api_app import Api
from support.counting import count_all

SECOND = timedelta(seconds=1)
NONE = {"succeeded": 0, "dead_lettered": 0, "cancelled": 0, "skipped": 0, "discarded": 0, "failed": 0}


async def run(api: Api, late: float, long: float, **fields: Any) -> Any:
    """A run that starts so late, and takes so long, in seconds."""
    job = await api.create(**fields)
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    start = datetime.fromisoformat(run["due_at"]) + late * SECOND
    await api.execute(run["id"], StartAttempt(0, "e", 60 * SECOND, start), Succeed(1, None, start + long * SECOND))
    return run


async def test_the_steps_have_counts_and_quantiles(api: Api) -> None:
    for n in range(4):
        await run(api, 2, 30, queue="mail" if n else "default")
    await api.dead_letter(queue="mail")
    await count_all(api.deps.pool)
    found = await api.json(200, "GET", "/api/stats")
    [total] = found["totals"]
    assert (total["key"], total["counts"]) == (None, NONE | {"succeeded": 4, "dead_lettered": 1, "failed": 1})
    assert (total["started"], total["lateness"]["p50"]) == (5, pytest.approx(2, rel=1 / 6))
    assert total["duration"]["p95"] == pytest.approx(30, rel=1 / 6)
    assert sum(item["counts"]["succeeded"] for item in found["items"]) == 4
    queues = await api.json(200, "GET", "/api/stats?by=queue&step=PT5M")
    assert [(each["key"], each["counts"]["succeeded"]) for each in queues["totals"]] == [("mail", 3), ("default", 1)]
    assert queues["items"][0]["at"].endswith(":00Z")


async def test_further_keys_are_counted_together(api: Api) -> None:
    for name in ("a", "a", "b", "c"):
        await run(api, 0, 1, queue=name)
    await count_all(api.deps.pool)
    found = await api.json(200, "GET", "/api/stats?by=queue&keys=1")
    assert [(each["key"], each["counts"]["succeeded"]) for each in found["totals"]] == [("a", 2), (None, 2)]
    one = await api.json(200, "GET", "/api/stats?queue=b&step=P1D")
    assert [(each["key"], each["counts"]["succeeded"]) for each in one["totals"]] == [("b", 1)]


async def test_a_key_is_shown_also_where_the_next_longer_step_has_it_among_the_others(api: Api) -> None:
    await run(api, 2, 30, task="rare")
    await count_all(api.deps.pool)
    await api.deps.pool.execute("DELETE FROM statistics WHERE step = $1 AND dimension = 'task'", DAY)
    since = (api.deps.clock.now() - 8 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = await api.json(200, "GET", f"/api/stats?task=rare&step=PT1H&from={since}")
    assert [(each["key"], each["counts"]["succeeded"]) for each in found["totals"]] == [("rare", 1)]
    assert found["totals"][0]["duration"]["p50"] == pytest.approx(30, rel=1 / 6)


async def test_the_starts_of_the_named_queues_are_read_without_histograms(api: Api) -> None:
    for name in ("a", "a", "b", "c"):
        await run(api, 0, 1, queue=name)
    await count_all(api.deps.pool)
    now = api.deps.clock.now()
    hour = StatisticsRange(now - HOUR, now + HOUR, MINUTE, MINUTE, Dimension.QUEUE)
    async with api.deps.pool.acquire() as db:
        found = await read_starts(db, hour, ["a", "c", "none"])
    assert {name: sum(each.number for each in found if each.key == name) for name in "abc"} == {"a": 2, "b": 0, "c": 1}


async def test_a_job_is_counted_by_the_hour(api: Api) -> None:
    first = await run(api, 0, 1)
    await run(api, 0, 1)
    await count_all(api.deps.pool)
    found = await api.json(200, "GET", f"/api/stats?job_id={first['job_id']}")
    assert [(each["key"], each["counts"]["succeeded"]) for each in found["items"]] == [(first["job_id"], 1)]
    assert len((await api.json(200, "GET", "/api/stats?by=job"))["totals"]) == 2
    refused = await api.json(422, "GET", "/api/stats?by=job&step=PT1M")
    assert refused["errors"][0]["pointer"] == "/step"


async def test_without_events_there_are_no_steps(api: Api) -> None:
    found = await api.json(200, "GET", "/api/stats?by=task&from=2026-01-01T00:00:00Z&to=2026-01-03T00:00:00Z&step=P1D")
    assert (found["items"], found["totals"], found["step"]) == ([], [], "P1D")
    assert (found["from"], found["to"]) == ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
