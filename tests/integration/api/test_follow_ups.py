"""Follow-ups: what the end of a run triggers, exactly once in the books."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from duebook_common.domain.run.commands import StartAttempt, Succeed
from duebook_common.integrity.verify import verify
from duebook_common.store import follow_ups
from duebook_common.store.actor import Actor
from duebook_common.store.checkpoints import forget_checkpoint
from duebook_common.store.database import acquire
from duebook_common.store.follow_ups import SUBSCRIBER, FollowUpSubscriber
from support.api_app import FUTURE, Api, fail_for_good, running_api
from support.bookkeeping import check_invariants, past_horizon
from support.leaving import close, leave


async def follow_up(api: Api, times: int = 2) -> None:
    """Let several schedulers deal with the whole log, again and again, as after crashes before the checkpoint moved."""
    await past_horizon(api.deps.pool)
    for _ in range(times):
        async with acquire(api.deps.pool) as db:
            await forget_checkpoint(db, SUBSCRIBER)
        subscribers = [
            FollowUpSubscriber(api.deps.pool, api.deps.clock, Actor("scheduler s"), timedelta(minutes=1), 1_000)
            for _ in range(3)
        ]
        await asyncio.gather(*(each.step() for each in subscribers))


async def succeed(api: Api, run_id: str, result: Any = None, dispatch: int = 0, attempt: int = 1) -> None:
    now = api.deps.clock.now()
    start = StartAttempt(dispatch, "executor-1", timedelta(seconds=30), now)
    await api.execute(run_id, start, Succeed(attempt, result, now))


async def triggered(api: Api, job: str) -> Any:
    return await api.json(202, "POST", f"/api/job/{job}/trigger")


async def runs_of(api: Api, job: str) -> list[dict[str, Any]]:
    return list((await api.json(200, "GET", f"/api/job/{job}/runs"))["items"])


async def refusals_of(api: Api, job: str) -> list[dict[str, Any]]:
    events = (await api.json(200, "GET", f"/api/job/{job}/events?limit=200"))["items"]
    return [event["data"] for event in events if event["type"] == "FollowUpRefused"]


async def test_an_end_triggers_its_follow_up_once_with_the_result(api: Api) -> None:
    await api.create(key="b", payload={"own": True})
    then = [{"job": "key:b", "payload": "result"}, {"job": "key:b", "on": ["dead_lettered", "succeeded"]}]
    await api.create(key="a", then=then)
    run = await triggered(api, "key:a")
    await succeed(api, run["id"], {"rows": 3})
    await follow_up(api)
    runs = await runs_of(api, "key:b")
    assert {(each["trigger"], each["cause"], each["status"]) for each in runs} == {
        ("follow_up", run["id"], "dispatched")
    }
    shown = [(await api.json(200, "GET", f"/api/run/{each['id']}"))["payload"] for each in runs]
    assert sorted(shown, key=str) == [{"own": True}, {"rows": 3}]
    why = await api.json(200, "GET", f"/api/run/{runs[0]['id']}/why")
    assert f"The end of the run {run['id']} of the job “{run['job_name']}” triggered it" in str(why)
    ended = await api.json(200, "GET", f"/api/run/{run['id']}/why")
    assert all(f"Its end triggered the run {each['id']} of the job" in str(ended) for each in runs)
    caused = await api.json(200, "GET", f"/api/run?cause={run['id']}&trigger=follow_up")
    assert {each["id"] for each in caused["items"]} == {each["id"] for each in runs}
    await check_invariants(api.deps.pool)


async def test_verify_names_an_end_without_its_follow_up(api: Api) -> None:
    await api.create(key="b")
    await api.create(key="a", then=[{"job": "key:b"}])
    run = await triggered(api, "key:a")
    await succeed(api, run["id"])
    await follow_up(api)
    assert (await verify(api.deps.pool)).breaches == []
    async with acquire(api.deps.pool) as db:
        await db.execute("DELETE FROM runs WHERE trigger = 'follow_up'")
    says = [breach.says for breach in (await verify(api.deps.pool)).breaches if breach.stream == f"run-{run['id']}"]
    assert says == ["its event 3 has 0 follow-ups or refusals for entry 0 of `then`, not 1"]


async def test_an_archived_follow_up_of_a_dead_letter_is_not_missing(api: Api) -> None:
    await api.create(key="b")
    await api.create(key="a", max_retries=0, then=[{"job": "key:b", "on": ["dead_lettered"]}])
    await api.execute((await triggered(api, "key:a"))["id"], *fail_for_good("boom"))
    await follow_up(api)
    [after] = await runs_of(api, "key:b")
    await succeed(api, after["id"])
    await leave(api.deps.pool, await close(api.deps.pool))
    assert await api.deps.pool.fetchval("SELECT count(*) FROM ledger_lines") == 1
    assert (await verify(api.deps.pool)).breaches == []


async def test_verify_names_an_old_end_that_no_subscriber_has_dealt_with(api: Api) -> None:
    await api.create(key="b")
    await api.create(key="a", then=[{"job": "key:b"}])
    run = await triggered(api, "key:a")
    await succeed(api, run["id"])
    assert (await verify(api.deps.pool)).breaches == []
    breaches = (await verify(api.deps.pool, overdue=timedelta(0))).breaches
    assert [each.stream for each in breaches if "of `then`" in each.says] == [f"run-{run['id']}"]


async def poison_two_of_three(api: Api) -> FollowUpSubscriber:
    """An end whose first two follow-ups fail until the constraint `poison` is dropped."""
    poisoned = await api.create(key="poisoned")
    await api.create(key="b")
    await api.create(key="a", then=[{"job": "key:poisoned"}, {"job": "key:poisoned"}, {"job": "key:b"}])
    await succeed(api, (await triggered(api, "key:a"))["id"])
    await api.deps.pool.execute(
        f"ALTER TABLE runs ADD CONSTRAINT poison CHECK (job_id <> '{poisoned['id']}' OR trigger <> 'follow_up')"
    )
    await past_horizon(api.deps.pool)
    return FollowUpSubscriber(api.deps.pool, api.deps.clock, Actor("s"), timedelta(minutes=1), 1_000)


async def test_a_follow_up_that_fails_is_tried_again_and_stops_no_other(api: Api) -> None:
    subscriber = await poison_two_of_three(api)
    with pytest.raises(asyncpg.CheckViolationError):
        await subscriber.step()
    assert len(await runs_of(api, "key:b")) == 1
    await api.deps.pool.execute("ALTER TABLE runs DROP CONSTRAINT poison")
    await subscriber.step()
    assert len(await runs_of(api, "key:poisoned")) == 2
    assert await refusals_of(api, "key:a") == []
    await check_invariants(api.deps.pool)


async def test_a_follow_up_that_fails_five_times_is_refused(api: Api) -> None:
    subscriber = await poison_two_of_three(api)
    for _ in range(4):
        with pytest.raises(asyncpg.CheckViolationError):
            await subscriber.step()
    await subscriber.step()
    refused = [(each["entry"], each["reason"]) for each in await refusals_of(api, "key:a")]
    assert sorted(refused) == [(0, "internal_error"), (1, "internal_error")]
    await follow_up(api)
    assert len(await runs_of(api, "key:b")) == 1
    await check_invariants(api.deps.pool)


async def test_a_step_is_bounded_and_goes_on_where_the_last_one_ended(api: Api, monkeypatch: Any) -> None:
    """The transaction of a step is idle while it triggers, and PostgreSQL ends one that is so for long."""
    monkeypatch.setattr(follow_ups, "_FOLLOW_UPS", 2)
    await api.create(key="b")
    await api.create(key="a", then=[{"job": "key:b"}])
    for _ in range(5):
        await succeed(api, (await triggered(api, "key:a"))["id"])
    await past_horizon(api.deps.pool)
    subscriber = FollowUpSubscriber(api.deps.pool, api.deps.clock, Actor("s"), timedelta(minutes=1), 1_000)
    assert await subscriber.step() > 0
    assert len(await runs_of(api, "key:b")) == 2
    while await subscriber.step():
        pass
    assert len(await runs_of(api, "key:b")) == 5
    await check_invariants(api.deps.pool)


async def test_a_follow_up_that_was_refused_is_not_triggered_later(api: Api) -> None:
    await api.create(key="a", then=[{"job": "key:b"}])
    await succeed(api, (await triggered(api, "key:a"))["id"])
    await follow_up(api)
    await api.create(key="b")
    await follow_up(api)
    assert await runs_of(api, "key:b") == []
    await check_invariants(api.deps.pool)


async def test_only_the_named_ends_trigger_and_a_redrive_that_succeeds_does(api: Api) -> None:
    await api.create(key="b")
    await api.create(key="a", then=[{"job": "key:b"}])
    run = await api.dead_letter_of("key:a")
    await follow_up(api)
    assert await runs_of(api, "key:b") == []
    await api.json(202, "POST", f"/api/dead-letter/{run['id']}/redrive", {"reason": "mended"})
    [due] = await api.deps.pool.fetch("SELECT dispatch, status FROM runs WHERE run_id = $1", run["id"])
    assert due["status"] == "retrying"
    later = await triggered(api, "key:a")
    await api.execute(later["id"], *fail_for_good("again"))
    await succeed(api, (await triggered(api, "key:a"))["id"])
    await follow_up(api)
    assert len(await runs_of(api, "key:b")) == 1


async def test_a_paused_target_runs_and_a_missing_one_is_recorded_once(api: Api) -> None:
    paused, gone = await api.create(key="paused"), await api.create()
    await api.json(200, "POST", "/api/job/key:paused/pause")
    await api.json(204, "DELETE", f"/api/job/{gone['id']}")
    await api.create(key="a", then=[{"job": "key:paused"}, {"job": gone["id"]}, {"job": "key:none"}])
    run = await triggered(api, "key:a")
    await succeed(api, run["id"])
    await follow_up(api)
    assert len(await runs_of(api, paused["id"])) == 1
    refused = sorted((each["entry"], each["reason"], each["run_id"]) for each in await refusals_of(api, "key:a"))
    assert refused == [(1, "job_deleted", run["id"]), (2, "unknown_job", run["id"])]
    await check_invariants(api.deps.pool)


async def test_a_cycle_ends_after_so_many_links(api: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(follow_ups, "MOST_LINKS", 3)
    await api.create(key="a", then=[{"job": "key:b"}])
    await api.create(key="b", then=[{"job": "key:a"}])
    await triggered(api, "key:a")
    for _ in range(5):
        for run in [*await runs_of(api, "key:a"), *await runs_of(api, "key:b")]:
            if run["status"] == "dispatched":
                await succeed(api, run["id"])
        await follow_up(api, 1)
    assert len(await runs_of(api, "key:a")) + len(await runs_of(api, "key:b")) == 1 + 3
    assert [each["reason"] for each in await refusals_of(api, "key:b")] == ["follow_up_depth"]


async def test_a_result_that_is_too_large_is_not_handed_on(api: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(follow_ups, "_LARGEST_RESULT", 10)
    await api.create(key="b")
    await api.create(key="a", then=[{"job": "key:b", "payload": "result"}])
    await succeed(api, (await triggered(api, "key:a"))["id"], "x" * 20)
    await follow_up(api)
    assert await runs_of(api, "key:b") == []
    assert [each["reason"] for each in await refusals_of(api, "key:a")] == ["result_too_large"]


async def test_a_job_that_triggers_itself_is_refused(api: Api) -> None:
    job = await api.create(key="a")
    itself = [{"job": "key:a"}], [{"job": job["id"].upper()}]
    for then in itself:
        [fault] = (await api.json(422, "PATCH", f"/api/job/{job['id']}", {"then": then}))["errors"]
        assert fault["pointer"] == "/then/0/job"
    await api.json(422, "POST", "/api/job", {"name": "n", "key": "c", "then": [{"job": "key:c"}]})
    await api.json(422, "PUT", "/api/job/key:c", {"name": "n", "scheduled_at": FUTURE, "then": [{"job": "key:c"}]})
    for then in ([{"job": "nonsense"}], [{"job": "key:b", "on": []}], [{"job": "key:b", "on": ["done"]}]):
        await api.json(422, "POST", "/api/job", {"name": "n", "then": then})


async def test_a_key_that_may_not_trigger_defines_no_follow_ups(postgres_url: str) -> None:
    first = "a-first-key-of-this-installation-1234567890"
    async with running_api(postgres_url, key=first) as api:
        made = await api.json(
            201, "POST", "/api/key", {"name": "ci", "scopes": ["jobs:write"]}, Authorization=f"Bearer {first}"
        )
        own, body = {"Authorization": f"Bearer {made['key']}"}, {"name": "n", "scheduled_at": FUTURE}
        job = await api.json(201, "POST", "/api/job", body, **own)
        then = {"then": [{"job": "key:b"}]}
        path = f"/api/job/{job['id']}"
        refused = [
            await api.json(403, "POST", "/api/job", body | then, **own),
            await api.json(403, "POST", "/api/job/batch", {"jobs": [body, body | then]}, **own),
            await api.json(403, "PUT", path, body | then, **own),
            await api.json(403, "PUT", "/api/job/key:c", body | then, **own),
            await api.json(403, "PATCH", path, then, **own),
        ]
        assert all("runs:write" in each["detail"] for each in refused)
