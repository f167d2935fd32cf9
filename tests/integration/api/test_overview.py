"""`GET /api/overview`: runs by state and queue."""

from datetime import UTC, datetime, timedelta

from duebook_common.domain.run.commands import StartAttempt
from support.api_app import Api

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
    api.deps.overview._until = 0
    found = await api.json(200, "GET", "/api/overview")
    counts = {name: found[name] for name in ("due", "dispatched", "waiting", "running", "retrying", "dead_lettered")}
    expected = {"due": 1, "dispatched": 0, "waiting": 1, "running": 1, "retrying": 0, "dead_lettered": 1}
    assert counts == expected
    assert [queue["queue"] for queue in found["queues"]] == ["default", "mail"]
    assert found["oldest_dead_letter_at"] == dead["finished_at"]
    assert found["overdue_jobs"] == 0


async def test_many_who_look_at_once_cost_one_count(api: Api) -> None:
    first = await api.json(200, "GET", "/api/overview")
    await api.dead_letter()
    assert (await api.json(200, "GET", "/api/overview"))["at"] == first["at"]
