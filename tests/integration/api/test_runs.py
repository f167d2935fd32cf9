"""Runs, their events and the job logs over REST, on a real database."""

from datetime import timedelta
from typing import Any

from duebook_common.domain.run.commands import FailAttempt, ReleaseAttempt, StartAttempt, Succeed, WakeRun
from duebook_common.runtime import timezones
from support.api_app import Api, fail_for_good

FIELDS = [
    "id",
    "job_id",
    "job_name",
    "job_version",
    "task",
    "nominal_at",
    "due_at",
    "status",
    "attempt",
    "failures",
    "max_attempts",
    "queue",
    "executor",
    "started_at",
    "finished_at",
    "error",
    "result",
    "trigger",
]
SECOND = timedelta(seconds=1)


async def triggered(api: Api, **fields: Any) -> dict[str, Any]:
    job = await api.create(**fields)
    run: dict[str, Any] = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    return run


async def succeeded(api: Api) -> dict[str, Any]:
    run, now = await triggered(api), api.deps.clock.now()
    start, end = StartAttempt(0, "executor-1", 30 * SECOND, now), Succeed(1, {"rows": 3}, now + SECOND)
    await api.execute(run["id"], start, end)
    return run


async def test_a_run_has_the_fields_of_the_contract_and_times_in_utc(api: Api) -> None:
    run = await succeeded(api)
    assert list(run) == FIELDS
    shown = await api.json(200, "GET", f"/api/run/{run['id']}")
    assert list(shown) == [*FIELDS, "payload"]
    assert (shown["status"], shown["result"], shown["executor"]) == ("succeeded", {"rows": 3}, "executor-1")
    assert all(shown[name].endswith("Z") for name in FIELDS if name.endswith("_at"))


async def test_cancel_ends_a_waiting_run_and_interrupts_a_running_one(api: Api) -> None:
    waiting, running = await triggered(api), await triggered(api)
    await api.execute(running["id"], StartAttempt(0, "executor-1", 30 * SECOND, api.deps.clock.now()))
    ended = await api.json(202, "POST", f"/api/run/{waiting['id']}/cancel", {"reason": "not today"})
    assert (ended["status"], ended["reason"], ended["finished_at"] is None) == ("cancelled", "not today", False)
    assert await api.json(202, "POST", f"/api/run/{waiting['id']}/cancel") == ended
    interrupted = await api.json(202, "POST", f"/api/run/{running['id']}/cancel")
    assert interrupted["status"] == "running"
    assert (await api.json(409, "POST", f"/api/run/{(await succeeded(api))['id']}/cancel"))["code"] == "wrong_status"


async def test_runs_are_listed_newest_first_and_can_be_filtered(api: Api) -> None:
    first, second = await triggered(api, queue="q1", task="t1"), await triggered(api)
    await api.json(202, "POST", f"/api/run/{second['id']}/cancel")

    async def ids(query: str = "") -> list[str]:
        return [run["id"] for run in await api.pages(f"/api/run?{query}", 1)]

    assert await ids() == [second["id"], first["id"]]
    assert await ids("queue=q1") == await ids("task=t1") == await ids("status=dispatched") == [first["id"]]
    assert await ids(f"job_id={second['job_id']}") == await ids("status=cancelled") == [second["id"]]
    assert [run["id"] for run in await api.pages(f"/api/job/{first['job_id']}/runs", 1)] == [first["id"]]


async def test_events_of_a_run_are_listed_oldest_first(api: Api) -> None:
    run = await succeeded(api)
    events = await api.pages(f"/api/run/{run['id']}/events", 2)
    assert [event["type"] for event in events] == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]
    assert list(events[0]) == ["position", "stream", "version", "type", "data", "meta", "recorded_at"]
    assert [event["version"] for event in events] == [1, 2, 3]
    assert events[0]["meta"] == {"actor": "anonymous", "tzdata": timezones.VERSION}
    first = events[0]["data"]  # the log leaves out most of it
    assert (first["job_id"], first["due_at"], first["queue"]) == (run["job_id"], run["due_at"], "default")


async def two_runs_with_logs(api: Api) -> tuple[Any, Any]:
    """A run whose attempts ended in every way, and a later one that was cancelled before it started."""
    run, now = await triggered(api, max_retries=5, backoff={"initial": "PT0.001S"}), api.deps.clock.now()
    start = StartAttempt(0, "executor-1", timedelta(0), now)
    wake = WakeRun(now + SECOND, 0.5, SECOND)
    await api.execute(
        run["id"],
        start,
        FailAttempt(1, "boom", now, chance=0.5),
        wake,
        StartAttempt(1, "executor-2", timedelta(0), now),
        ReleaseAttempt(2, now),
        wake,
        StartAttempt(2, "executor-1", timedelta(0), now),
        wake,  # its lease has expired
        WakeRun(now + 5 * SECOND, 0.5, SECOND),
        *fail_for_good("bang", dispatch=3, attempt=4),
    )
    await api.deps.pool.execute(
        "INSERT INTO log_lines (job_id, run_id, attempt, message, level, fields, logged_at)"
        " VALUES ($1, $2, 4, 'a line', 'warning', jsonb_build_object('rows', 3), now())",
        run["job_id"],
        run["id"],
    )
    other = await triggered(api)
    await api.json(202, "POST", f"/api/run/{other['id']}/cancel")
    return run, other


async def test_the_job_log_has_the_events_of_attempts_newest_first(api: Api) -> None:
    run, _ = await two_runs_with_logs(api)
    logs = await api.pages(f"/api/job-log/job/{run['job_id']}", 3)
    assert [(log["status"], log["attempt"]) for log in reversed(logs)] == [
        ("started", 1),
        ("failed", 1),
        ("started", 2),
        ("released", 2),
        ("started", 3),
        ("lost", 3),
        ("started", 4),
        ("failed", 4),
        ("dead_lettered", 4),
        ("log", 4),
    ]
    assert [logs[0]["message"], logs[1]["message"], logs[-1]["message"]] == ["a line", "bang", "started on executor-1"]
    common = ["id", "job_id", "run_id", "attempt", "status", "message", "logged_at"]
    assert (list(logs[0]), list(logs[1])) == ([*common, "level", "fields"], common)
    assert (logs[0]["level"], logs[0]["fields"]) == ("warning", {"rows": 3})
    assert {log["run_id"] for log in logs} == {run["id"]}
    everything = await api.pages("/api/job-log", 4)
    assert everything[1:] == logs
    assert (everything[0]["status"], everything[0]["attempt"]) == ("cancelled", None)
    for log in everything:
        assert await api.json(200, "GET", f"/api/job-log/{log['id']}") == log


async def test_the_job_log_is_filtered_by_run_and_status(api: Api) -> None:
    run, other = await two_runs_with_logs(api)
    everything = await api.pages("/api/job-log", 4)
    logs = everything[1:]
    assert await api.pages(f"/api/job-log?run_id={run['id'].upper()}", 3) == logs
    assert await api.pages(f"/api/job-log?run_id={other['id']}", 3) == everything[:1]
    assert await api.pages(f"/api/job-log?run_id={run['job_id']}", 3) == []
    for status in ("started", "failed", "lost", "released", "cancelled", "dead_lettered", "log", "completed"):
        assert await api.pages(f"/api/job-log?status={status}", 1) == [e for e in everything if e["status"] == status]
    assert await api.pages(f"/api/job-log?run_id={run['id']}&status=log", 1) == logs[:1]


async def test_runs_that_were_made_at_the_same_instant_are_listed_by_nominal_time(api: Api) -> None:
    job = await api.create(recurrence={"every": "PT1H"})
    for _ in range(8):
        await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    shuffled = "('x' || substr(md5(run_id::text), 1, 4))::bit(16)::int * interval '1 s'"
    await api.deps.pool.execute(
        f"UPDATE runs SET created_at = date_trunc('day', created_at), nominal_at = nominal_at + {shuffled}"
    )
    for path in (f"/api/job/{job['id']}/runs", "/api/run", f"/api/run?job_id={job['id']}", "/api/run?task=log"):
        times = [run["nominal_at"] for run in await api.pages(path, 3)]
        assert len(times) == 8
        assert times == sorted(times, reverse=True)


async def test_a_run_has_the_progress_of_its_last_attempt_only(api: Api) -> None:
    run = await triggered(api)
    path = f"/api/run/{run['id']}"
    assert "progress" not in await api.json(200, "GET", path)
    put = "INSERT INTO progress (run_id, attempt, share, text, reported_at) VALUES ($1, $2, 0.4, '2 of 5', now())"
    await api.deps.pool.execute(put, run["id"], run["attempt"])
    found = (await api.json(200, "GET", path))["progress"]
    assert (found["share"], found["text"], sorted(found)) == (0.4, "2 of 5", ["reported_at", "share", "text"])
    await api.deps.pool.execute("UPDATE progress SET attempt = attempt - 1")
    assert "progress" not in await api.json(200, "GET", path)
