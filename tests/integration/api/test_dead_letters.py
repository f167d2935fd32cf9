"""Dead letters over REST, on a real database."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from duebook_api.runs import redrive
from duebook_api.runs.dead_letter_times import times_of_death
from duebook_api.state.gauges import DeadLetterGauges, OverdueGauges
from duebook_common.domain.run.commands import WakeRun
from duebook_common.runtime.telemetry import CURRENT_DEAD_LETTERS, DEAD_LETTER_AGE, OVERDUE_JOBS
from duebook_common.store import bulk_handling
from support.api_app import Api, fail_for_good, running_api


async def test_a_dead_letter_has_error_attempts_payload_age_and_lineage(api: Api) -> None:
    run = await api.dead_letter("boom 42", payload={"a": 1}, queue="q1")
    api.pass_time(timedelta(hours=1))
    [dead_letter] = await api.pages("/api/dead-letter", 10)
    assert dead_letter == await api.json(200, "GET", f"/api/dead-letter/{run['id']}") | {"age": dead_letter["age"]}
    assert {name: dead_letter[name] for name in run} == run
    assert (dead_letter["error"], dead_letter["payload"], dead_letter["attempts"], dead_letter["failures"]) == (
        "boom 42",
        {"a": 1},
        1,
        1,
    )
    assert dead_letter["age"].startswith("PT1H")
    assert len(dead_letter["fingerprint"]) == 16
    assert [(event["event"], event["error"]) for event in dead_letter["lineage"]] == [("RunDeadLettered", "boom 42")]


async def test_a_dead_letter_has_the_payload_of_its_own_definition(api: Api) -> None:
    first = await api.dead_letter(payload="first")
    path = f"/api/job/{first['job_id']}"
    await api.json(200, "PATCH", path, {"payload": "second"})
    second = await api.json(202, "POST", f"{path}/trigger")
    await api.execute(second["id"], *fail_for_good("boom"))
    await api.json(200, "PATCH", path, {"payload": "third"})
    for run, payload in ((first, "first"), (second, "second")):
        assert (await api.json(200, "GET", f"/api/dead-letter/{run['id']}"))["payload"] == payload


async def test_dead_letters_can_be_filtered_and_grouped(api: Api) -> None:
    first, second = await api.dead_letter("id 1 missing", queue="q1"), await api.dead_letter("id 2 missing")
    third = await api.dead_letter("other")

    async def ids(query: str) -> list[str]:
        return [dead_letter["id"] for dead_letter in await api.pages(f"/api/dead-letter?{query}", 1)]

    assert await ids("") == [third["id"], second["id"], first["id"]]
    assert await ids("queue=q1") == await ids(f"job_id={first['job_id']}") == [first["id"]]
    groups = await api.pages("/api/dead-letter/groups", 1)
    assert [(group["count"], group["error"], group["task"]) for group in groups] == [
        (2, "id 2 missing", "log"),
        (1, "other", "log"),
    ]
    assert groups[0]["oldest"] < groups[0]["newest"]
    assert await ids(f"fingerprint={groups[0]['fingerprint']}") == [second["id"], first["id"]]


async def test_a_group_knows_when_it_was_seen_also_after_a_redrive(api: Api) -> None:
    first, second = await api.dead_letter("id 1 missing"), await api.dead_letter("id 2 missing")
    [before] = await api.pages("/api/dead-letter/groups", 1)
    assert (before["runs"], before["jobs"]) == (2, 2)
    assert before["first_seen"] < before["last_seen"]
    for run in (first, second):
        await api.json(202, "POST", f"/api/dead-letter/{run['id']}/redrive", {"reason": "again"})
    third = await api.dead_letter("id 3 missing")
    [after] = await api.pages("/api/dead-letter/groups", 1)
    assert (after["fingerprint"], after["runs"], after["jobs"]) == (before["fingerprint"], 1, 1)
    assert after["first_seen"] == before["first_seen"]
    assert after["last_seen"] > before["last_seen"]
    await api.json(200, "POST", f"/api/dead-letter/{third['id']}/discard", {"reason": "known"})
    assert await api.pages("/api/dead-letter/groups", 1) == []


async def test_redrive_grants_new_attempts_with_an_edited_payload(api: Api) -> None:
    run = await api.dead_letter(max_retries=1)
    path = f"/api/dead-letter/{run['id']}/redrive"
    for wrong in ({}, {"reason": ""}, {"reason": None}):
        await api.json(422, "POST", path, wrong)
    redriven = await api.json(202, "POST", path, {"reason": "fixed", "payload": {"b": 2}})
    assert (redriven["status"], redriven["failures"], redriven["attempt"]) == ("retrying", 0, 1)
    assert (redriven["max_attempts"], redriven["reason"]) == (2, "fixed")
    assert (await api.json(409, "POST", path, {"reason": "again"}))["code"] == "wrong_status"
    await api.json(404, "GET", f"/api/dead-letter/{run['id']}/redrive".removesuffix("/redrive") + "x")

    now = api.deps.clock.now()
    await api.execute(run["id"], WakeRun(now, 0.5, timedelta(0)), *fail_for_good("still", dispatch=1, attempt=2))
    dead_letter = await api.json(200, "GET", f"/api/dead-letter/{run['id']}")
    assert (dead_letter["payload"], dead_letter["attempts"], dead_letter["max_attempts"]) == ({"b": 2}, 2, 2)
    assert [event["event"] for event in dead_letter["lineage"]] == ["RunDeadLettered", "RunRedriven", "RunDeadLettered"]
    assert dead_letter["lineage"][1]["reason"] == "fixed"


async def test_a_discarded_run_is_no_dead_letter_any_more(api: Api) -> None:
    run = await api.dead_letter()
    path = f"/api/dead-letter/{run['id']}/discard"
    discarded = await api.json(200, "POST", path, {"reason": "known"})
    assert (discarded["status"], discarded["reason"]) == ("discarded", "known")
    assert await api.json(200, "POST", path, {"reason": "known"}) == discarded
    assert await api.pages("/api/dead-letter", 10) == []
    await api.json(409, "POST", f"/api/dead-letter/{run['id']}/redrive", {"reason": "x"})


async def test_dead_letters_of_a_deleted_job_are_not_redriven(api: Api) -> None:
    run = await api.dead_letter()
    await api.json(204, "DELETE", f"/api/job/{run['job_id']}")
    problem = await api.json(409, "POST", f"/api/dead-letter/{run['id']}/redrive", {"reason": "x"})
    assert problem["code"] == "job_deleted"
    summary = await api.json(202, "POST", "/api/dead-letter/redrive", {"filter": {}, "reason": "x"})
    assert summary.pop("bulk")
    assert summary == {"matched": 1, "redriven": 0, "invalid": 1, "reasons": {"the job is deleted": 1}}


async def test_a_filter_redrives_many_at_a_rate_and_a_dry_run_only_counts(api: Api) -> None:
    runs = [await api.dead_letter("timeout", queue="q1") for _ in range(3)]
    await api.dead_letter("timeout", queue="q2")
    await api.json(204, "DELETE", f"/api/job/{runs[2]['job_id']}")
    body = {"filter": {"queue": "q1"}, "reason": "back up", "rate": 0.5}
    dry = await api.json(200, "POST", "/api/dead-letter/redrive", body | {"dry_run": True})
    deleted = {"reasons": {"the job is deleted": 1}}
    assert dry == {"matched": 3, "redriven": 0, "invalid": 1} | deleted
    assert len(await api.pages("/api/dead-letter", 10)) == 4
    redriven = await api.json(202, "POST", "/api/dead-letter/redrive", body)
    bulk = await api.json(200, "GET", f"/api/bulk/{redriven.pop('bulk')}")
    assert redriven == {"matched": 3, "redriven": 2, "invalid": 1, "pending": 1} | deleted
    assert (bulk["action"], bulk["filter"], bulk["status"]) == ("redrive", {"queue": "q1"}, "running")
    assert (bulk["done"], bulk["refused"]) == (1, 0)
    nothing = await api.json(202, "POST", "/api/dead-letter/redrive", body | {"filter": {"job_id": str(uuid4())}})
    assert nothing.pop("bulk")
    assert nothing == {"matched": 0, "redriven": 0, "invalid": 0}


async def test_a_redrive_of_many_takes_a_limit_and_leaves_what_is_pending_to_the_worker(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        await api.dead_letter()
    body = {"filter": {}, "reason": "back up"}
    limited = await api.json(202, "POST", "/api/dead-letter/redrive", body | {"limit": 1})
    assert (limited["matched"], limited["redriven"]) == (4, 1)
    monkeypatch.setattr(redrive, "_AT_ONCE", 1)
    monkeypatch.setattr(bulk_handling, "_RUNS_AT_ONCE", 1)
    begun = await api.json(202, "POST", "/api/dead-letter/redrive", body)
    assert (begun["matched"], begun["redriven"], begun["pending"]) == (3, 3, 2)
    bulk = await api.json(200, "GET", f"/api/bulk/{begun['bulk']}")
    assert (bulk["status"], bulk["done"], bulk["left"]) == ("running", 1, 2)
    await api.json(202, "POST", f"/api/bulk/{begun['bulk']}/abort", {"reason": "it still fails"})
    assert len(await api.pages("/api/dead-letter", 10)) == 2


async def test_an_abort_leaves_what_the_rate_has_not_allowed_yet(api: Api) -> None:
    for _ in range(3):
        await api.dead_letter()
    body = {"filter": {}, "reason": "back up", "rate": 5}
    begun = await api.json(202, "POST", "/api/dead-letter/redrive", body)
    assert (begun["matched"], begun["redriven"], begun["pending"]) == (3, 3, 2)
    await api.json(202, "POST", f"/api/bulk/{begun['bulk']}/abort", {"reason": "it still fails"})
    assert len(await api.pages("/api/dead-letter", 10)) == 2


async def test_the_gauges_follow_the_dead_letters_and_return_to_zero(api: Api) -> None:
    late = await api.create(queue="q9", scheduled_at="2026-01-01T00:00:00Z")
    run = await api.dead_letter(queue="q9")
    api.pass_time(timedelta(minutes=10))
    await api.create(queue="q9", scheduled_at=(api.deps.clock.now() - timedelta(seconds=30)).isoformat())
    gauges = DeadLetterGauges(api.deps.pool, api.deps.clock)
    overdue = OverdueGauges(api.deps.pool, api.deps.clock, api.deps.misfire)
    await gauges.refresh()
    await overdue.refresh()
    assert CURRENT_DEAD_LETTERS.labels("q9")._value.get() == 1
    assert DEAD_LETTER_AGE._value.get() >= 600
    assert OVERDUE_JOBS._value.get() == 1
    await api.json(200, "POST", f"/api/dead-letter/{run['id']}/discard", {"reason": "x"})
    await api.json(204, "DELETE", f"/api/job/{late['id']}")
    await gauges.refresh()
    await overdue.refresh()
    assert CURRENT_DEAD_LETTERS.labels("q9")._value.get() == 0
    assert DEAD_LETTER_AGE._value.get() == 0
    assert OVERDUE_JOBS._value.get() == 0


async def test_a_job_at_its_limit_of_active_runs_is_left_alone(postgres_url: str) -> None:
    async with running_api(postgres_url, max_active_runs=2) as api:
        run = await api.dead_letter()
        other = await api.dead_letter_of(run["job_id"])
        job = f"/api/job/{run['job_id']}"
        await api.json(202, "POST", f"{job}/trigger")
        summary = await api.json(202, "POST", "/api/dead-letter/redrive", {"filter": {}, "reason": "mended"})
        assert summary.pop("bulk")
        assert summary == {"matched": 2, "redriven": 1, "invalid": 0, "left": 1}
        for path, body in (
            (f"{job}/trigger", None),
            (f"/api/dead-letter/{other['id']}/redrive", {"reason": "mended"}),
            ("/api/dead-letter/redrive", {"filter": {}, "reason": "mended"}),
        ):
            problem = await api.json(409, "POST", path, body)
            assert problem["code"] == "too_many_active_runs"
            assert "would have 3 active runs, and DUEBOOK_MAX_ACTIVE_RUNS allows 2" in problem["detail"]


async def test_times_of_death_fall_into_equal_steps_and_none_falls_out(api: Api) -> None:
    for _ in range(3):
        await api.dead_letter("boom")
    dead = await api.pages("/api/dead-letter", 10)
    group = dead[0]["fingerprint"]
    died = [datetime.fromisoformat(each["finished_at"]) for each in reversed(dead)]
    start, step = died[1], (died[2] - died[1]) / 3
    counts = await times_of_death(api.deps, [group, "none"], start, start + 2 * step, 2)
    assert counts == {group: [2, 1], "none": [0, 0]}  # the first died before the range, and the last after it
    assert await times_of_death(api.deps, [group], start, start, 2) == {group: [0, 0]}
