"""Pages that end by bytes: every item exactly once, and as it was sent, however large it is."""

from typing import Any

import pytest

from duebook_common.domain.run.commands import StartAttempt, Succeed
from support.api_app import Api
from support.bookkeeping import NOW, past_horizon
from support.samples import MINUTE

COUNT, LARGE = 12, "é" * 120_000  # 12 of them are more than a page


def payload(n: int) -> dict[str, Any]:
    return {"n": n, "text": LARGE, "numbers": [1.0, 1e20, -0.5], "quoted": '"\\\n'}


async def large_pages(api: Api, path: str) -> list[dict[str, Any]]:
    """All items of the list, which does not fit into one page."""
    first = await api.json(200, "GET", f"{path}{'&' if '?' in path else '?'}limit=200")
    assert 0 < len(first["items"]) < COUNT
    return await api.pages(path, 200)


async def test_lists_of_large_jobs_and_events_have_all_items(api: Api) -> None:
    made = [await api.create(payload=payload(n), metadata={"n": n}) for n in range(COUNT)]
    assert await large_pages(api, "/api/job") == made[::-1]
    await past_horizon(api.deps.pool)
    events = await large_pages(api, "/api/events")
    assert [event["data"]["definition"]["payload"] for event in events] == [payload(n) for n in range(COUNT)]


async def test_the_events_of_a_job_with_large_versions_are_all_listed(api: Api) -> None:
    job = await api.create(payload=payload(0), recurrence="daily")
    path = f"/api/job/{job['id']}"
    for n in range(1, COUNT):
        job = await api.json(200, "PATCH", path, {"payload": payload(n)})
    events = await large_pages(api, f"{path}/events")
    assert [event["data"]["definition"]["payload"]["n"] for event in events] == list(range(COUNT))
    for event in (events[3], events[-1]):
        then = await api.json(200, "GET", f"{path}?as_of={event['recorded_at']}")
        assert then["payload"] == event["data"]["definition"]["payload"]
    assert (await api.json(200, "GET", f"{path}/ledger"))["unaccounted"] == 0


async def test_large_dead_letters_are_all_listed(api: Api) -> None:
    made = [await api.dead_letter(payload=payload(n)) for n in range(COUNT)]
    listed = await large_pages(api, "/api/dead-letter")
    assert [item["id"] for item in listed] == [run["id"] for run in reversed(made)]
    assert [item["payload"] for item in listed] == [payload(n) for n in reversed(range(COUNT))]


@pytest.mark.parametrize("own", [False, True])
async def test_runs_with_large_results_are_all_listed(api: Api, own: bool) -> None:
    job = await api.create(payload="of the job")
    body = {"payload": payload(-1)} if own else None
    made = [await api.json(202, "POST", f"/api/job/{job['id']}/trigger", body) for _ in range(COUNT)]
    for n, run in enumerate(made):
        await api.execute(run["id"], StartAttempt(0, "executor-1", MINUTE, NOW), Succeed(1, payload(n), NOW))
    listed = await large_pages(api, f"/api/job/{job['id']}/runs")
    assert {run["id"]: run["result"]["n"] for run in listed} == {run["id"]: n for n, run in enumerate(made)}
    shown = await api.json(200, "GET", f"/api/run/{made[0]['id']}?as_of=9998-01-01T00:00:00Z")
    assert shown == await api.json(200, "GET", f"/api/run/{made[0]['id']}")
    assert shown["payload"] == (payload(-1) if own else "of the job")
