"""What the API answers about runs whose rows have left for an archive: what it answered before, and where it is."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from duebook_common.integrity.rebuild import rebuild
from duebook_common.integrity.verify import verify
from duebook_common.store.codec import rfc3339
from support.api_app import Api
from support.archived_runs import archive_runs
from support.console import get, submit
from support.event_log import positions_in_order
from support.ledgers import EVERY_DAY, ago, dispatch, ledger, succeed
from support.samples import DAY, HOUR, SECOND

PERIOD = "2026-01"


async def with_history(api: Api) -> tuple[Any, list[Any]]:
    """A daily job with a missed time, three runs that succeeded, one that was left out, and one by hand."""
    job = await api.create(recurrence=EVERY_DAY, scheduled_at=ago(api, DAY + SECOND))
    for _ in range(3):
        await dispatch(api, job)
        await succeed(api, (await runs_of(api, job))[0])
        api.pass_time(DAY)
    await dispatch(api, job)
    api.pass_time(DAY)
    await dispatch(api, job)  # the run before is still active
    manual = await api.json(202, "POST", f"/api/job/{job['id']}/trigger", Idempotency_Key="once")
    await succeed(api, manual | {"dispatch": 0})
    return job, await runs_of(api, job)


async def runs_of(api: Api, job: Any) -> list[Any]:
    items: list[Any] = (await api.json(200, "GET", f"/api/job/{job['id']}/runs"))["items"]
    return items


def ended(runs: list[Any]) -> list[Any]:
    return [run for run in runs if run["status"] in {"succeeded", "skipped"}]


def scheduled(runs: list[Any]) -> Any:
    return next(run for run in runs if run["status"] == "succeeded" and run["trigger"] != "manual")


def ids(runs: list[Any]) -> list[str]:
    return [run["id"] for run in runs]


async def overall(api: Api, job: Any) -> tuple[Any, Any]:
    """The ledger, without the names of archives, and its summary."""
    items = (await ledger(api, job))["items"]
    summary = await api.json(200, "GET", f"/api/job/{job['id']}/ledger/summary")
    return [{name: value for name, value in item.items() if name != "archived"} for item in items], summary


async def test_the_ledger_is_the_same_and_names_the_archive(api: Api) -> None:
    job, runs = await with_history(api)
    before, leaving = await overall(api, job), ended(runs)
    assert {run["status"] for run in leaving} == {"succeeded", "skipped"}
    assert await archive_runs(api.deps.pool, ids(leaving)) == len(leaving)
    assert await overall(api, job) == before
    for item in (await ledger(api, job))["items"]:
        assert item.get("archived") == (PERIOD if item["run_id"] in ids(leaving) else None), item


async def test_verify_and_rebuild_know_the_history_of_a_job_by_its_lines(api: Api) -> None:
    _, runs = await with_history(api)
    await archive_runs(api.deps.pool, ids(ended(runs)))
    assert (await verify(api.deps.pool, HOUR)).breaches == []
    row = await api.deps.pool.fetchrow("SELECT * FROM jobs")
    await api.deps.pool.execute("UPDATE jobs SET runs = 0, next_at = next_at - interval '1 day'")
    assert (await rebuild(api.deps.pool)).replaced == 1
    assert await api.deps.pool.fetchrow("SELECT * FROM jobs") == row


async def test_an_archived_run_is_shown_as_far_as_it_is_known(api: Api) -> None:
    _, runs = await with_history(api)
    path = f"/api/run/{scheduled(runs)['id']}"
    shown = await api.json(200, "GET", path)
    await archive_runs(api.deps.pool, [shown["id"]])
    now = await api.json(200, "GET", path)
    known = {name: value for name, value in shown.items() if name != "payload"}
    assert now == known | {"executor": None, "error": None, "result": None, "archived": PERIOD}
    assert await api.json(200, "GET", f"{path}?as_of={shown['finished_at']}") == now
    just_before = datetime.fromisoformat(shown["finished_at"]) - timedelta(microseconds=1)
    early = await api.json(410, "GET", f"{path}?as_of={just_before.isoformat().replace('+00:00', 'Z')}")
    assert (early["code"], PERIOD in early["detail"]) == ("archived", True)


async def test_a_job_is_the_same_as_of_a_time_whose_runs_are_archived(api: Api) -> None:
    series, _ = await with_history(api)
    once = await api.create(scheduled_at=ago(api, SECOND))
    await dispatch(api, once)
    await succeed(api, (await runs_of(api, once))[0])
    now = api.deps.clock.now()
    times = [(series, now), (series, now - DAY), (series, now - 2 * DAY), (once, now)]
    paths = [f"/api/job/{job['id']}?as_of={rfc3339(time)}" for job, time in times]
    shown = [await api.json(200, "GET", path) for path in paths]
    assert shown[-1]["status"] == "finished"
    assert len({job["next_due_at"] for job in shown[:-1]}) > 1
    runs = [run for job in (series, once) for run in ended(await runs_of(api, job))]
    await archive_runs(api.deps.pool, ids(runs))
    for path, before in zip(paths, shown, strict=True):
        assert await api.json(200, "GET", path) == before, path


async def test_why_says_that_it_comes_from_the_ledger(api: Api) -> None:
    job, runs = await with_history(api)
    run = scheduled(runs)
    await archive_runs(api.deps.pool, [run["id"]])
    for path in (f"/api/run/{run['id']}/why", f"/api/job/{job['id']}/why?at={run['nominal_at']}"):
        why = await api.json(200, "GET", path)
        assert why["answer"].startswith("It ran and succeeded at ")
        assert f"in the archive {PERIOD}" in why["answer"]


async def test_what_only_the_archive_has_answers_410(api: Api) -> None:
    job, runs = await with_history(api)
    manual = next(run for run in runs if run["trigger"] == "manual")
    await archive_runs(api.deps.pool, [manual["id"]])
    run, dead_letter = f"/api/run/{manual['id']}", f"/api/dead-letter/{manual['id']}"
    for method, path in (
        ("GET", f"{run}/events"),
        ("POST", f"{run}/rerun"),
        ("POST", f"{run}/cancel"),
        ("GET", dead_letter),
    ):
        problem = await api.json(410, method, path)
        assert problem["code"] == "archived"
        assert f"duebook archive restore {PERIOD}" in problem["detail"]
    again = await api.json(410, "POST", f"/api/job/{job['id']}/trigger", Idempotency_Key="once")
    assert (again["code"], manual["id"] in again["detail"]) == ("archived", True)


async def test_the_log_of_an_archived_run_says_where_it_is(api: Api) -> None:
    job, runs = await with_history(api)
    run, other = scheduled(runs), uuid4()
    await archive_runs(api.deps.pool, [run["id"]])
    gone = await api.json(410, "GET", f"/api/job-log?run_id={run['id']}")
    assert gone["code"] == "archived"
    assert f"what run {run['id']} has logged has left the database for the archive {PERIOD}" in gone["detail"]
    assert (await api.json(200, "GET", f"/api/job-log?run_id={other}"))["items"] == []
    assert (await api.json(200, "GET", f"/api/job-log/job/{job['id']}"))["items"]


async def test_a_job_all_of_whose_runs_are_archived_does_not_seem_new(api: Api) -> None:
    job, runs = await with_history(api)
    await archive_runs(api.deps.pool, ids(runs))
    page = (await api.http.get(f"/console/jobs/{job['id']}")).text
    assert "Its runs have left the database for archives." in page


async def test_a_backfill_leaves_archived_runs_alone(api: Api) -> None:
    job, runs = await with_history(api)
    path, whole = f"/api/job/{job['id']}/backfill", {"from": job["created_at"], "to": ago(api, 0 * HOUR)}
    before = await api.json(200, "POST", path, whole | {"dry_run": True})
    await archive_runs(api.deps.pool, ids(ended(runs)))
    assert await api.json(200, "POST", path, whole | {"dry_run": True}) == before
    made = (await api.json(202, "POST", path, whole | {"overlap": "allow_all"}))["items"]
    for run in made:
        await succeed(api, run | {"dispatch": 0})
    assert await archive_runs(api.deps.pool, ids(made)) == len(made) > 0
    assert (await api.json(202, "POST", path, whole))["items"] == []


async def test_an_archived_job_answers_410_and_leaves_a_line(api: Api) -> None:
    job = await api.create(scheduled_at=ago(api, HOUR))
    await dispatch(api, job)
    [run] = await runs_of(api, job)
    assert await archive_runs(api.deps.pool, [], [job["id"]]) == 0  # its run is there
    await succeed(api, run)
    assert await archive_runs(api.deps.pool, [run["id"]], [job["id"]]) == 2
    for method, path in (
        ("GET", ""), ("GET", "/runs"), ("GET", "/ledger"), ("GET", "/why"), ("POST", "/trigger"), ("POST", "/pause"),
    ):  # fmt: skip
        assert (await api.json(410, method, f"/api/job/{job['id']}{path}"))["code"] == "archived", path
    shown = await api.json(200, "GET", f"/api/run/{run['id']}")
    assert (shown["job_name"], shown["status"], shown["archived"]) == ("a job", "succeeded", "2026-02")


async def test_a_repeated_request_does_not_make_an_archived_job_again(api: Api) -> None:
    chosen, body = str(uuid4()), {"name": "once", "scheduled_at": ago(api, HOUR)}
    await api.json(201, "PUT", f"/api/job/{chosen}", body)
    job = await api.json(201, "POST", "/api/job", body, Idempotency_Key="first")
    for each in (chosen, job["id"]):
        await dispatch(api, {"id": each})
        [run] = await runs_of(api, {"id": each})
        await succeed(api, run)
        assert await archive_runs(api.deps.pool, [run["id"]], [each]) == 2
    assert (await api.json(410, "PUT", f"/api/job/{chosen}", body))["code"] == "archived"
    assert (await api.json(410, "POST", "/api/job", body, Idempotency_Key="first"))["code"] == "archived"


async def feed(api: Api, count: int, after: str = "") -> list[str]:
    """The positions of so many events; transactions of other tests may hold back the horizon of the shared server."""
    async with asyncio.timeout(60):
        while len(items := (await api.json(200, "GET", f"/api/events?limit={count}{after}"))["items"]) < count:
            await asyncio.sleep(0.05)
    return [item["position"] for item in items]


async def test_the_feed_begins_behind_what_is_archived(api: Api) -> None:
    await with_history(api)
    positions = await positions_in_order(api.deps.pool)
    xid, number, _ = positions[5].split("-")
    await archive_runs(api.deps.pool, [], last_xid=int(xid), last_position=int(number))
    left = positions[6:]
    assert await feed(api, len(left)) == await feed(api, len(left), f"&after={positions[5]}") == left
    for path in ("/api/events", "/api/events/stream"):
        problem = await api.json(410, "GET", f"{path}?after={positions[4]}")
        assert (problem["code"], PERIOD in problem["detail"]) == ("archived", True)


async def test_the_page_of_an_archived_run_says_where_the_rest_is(api: Api) -> None:
    _, runs = await with_history(api)
    run = scheduled(runs)
    await archive_runs(api.deps.pool, [run["id"]])
    answer = await api.http.get(f"/console/runs/{run['id']}")
    assert answer.status_code == 200, answer.text
    assert f"are in the archive {PERIOD}" in answer.text
    assert "Run again" not in answer.text


async def test_the_contents_of_an_archived_run_are_erased_by_its_page(api: Api) -> None:
    _, runs = await with_history(api)
    path = f"/console/runs/{scheduled(runs)['id']}"
    await archive_runs(api.deps.pool, [scheduled(runs)["id"]])
    assert f'href="{path}/erase"' in await get(api, path)
    assert "They leave the archive with the next run of the archiver." in await get(api, f"{path}/erase")
    assert (await submit(api, f"{path}/erase", reason="asked for")).status_code == 303
    assert await api.deps.pool.fetchval("SELECT count(*) FROM events WHERE type = 'ArchivedContentsErased'") == 1


async def test_the_system_shows_what_has_left(api: Api) -> None:
    _, runs = await with_history(api)
    await archive_runs(api.deps.pool, [scheduled(runs)["id"]], events=1200, bytes=2048)
    shown = (await api.json(200, "GET", "/api/system"))["archives"]
    assert (shown["count"], shown["events"], shown["bytes"]) == (1, 1200, 2048)
    [archive] = shown["newest"]
    assert (archive["number"], archive["period"], archive["address"]) == (1, PERIOD, "/archives")
    page = (await api.http.get("/console/system")).text
    assert "1 period with 1,200 events in 2.0 kB" in page
    assert archive["digest"] in page
