"""Explanations over HTTP with a real database: the causes that are read besides a run's own events."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from duebook_api.http.problems import Problem
from duebook_api.why import queries
from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.commands import Backfill, DecisionContext, Dispatch, JobCommand
from duebook_common.domain.run.commands import StartAttempt, Succeed, WakeRun
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import Run
from duebook_common.store.actor import Actor
from duebook_common.store.database import acquire
from duebook_common.store.job_handling import handle_job
from duebook_common.store.job_plan import JobResult
from duebook_common.store.rows import load_jobs
from support.api_app import Api, fail_for_good
from support.bookkeeping import serve
from support.samples import past

EXECUTOR = "executor host/1"


def now() -> datetime:
    return datetime.now(UTC)


async def dispatch(api: Api, job_id: str, at: datetime | None = None) -> list[Run]:
    """The runs that a scheduler creates for the job's due occurrences."""
    context = DecisionContext(
        now=at or now(), misfire=timedelta(minutes=1), look_again_after=timedelta(minutes=1), dispatch=1
    )
    return list((await handle(api, job_id, Dispatch(context))).runs)


async def handle(api: Api, job_id: str, command: JobCommand) -> JobResult[JobCommand]:
    result = await handle_job(api.deps.pool, UUID(job_id), command, Actor("scheduler host-1"))
    assert result is not None
    return result


def starting(run: Run) -> StartAttempt:
    return StartAttempt(run.dispatch, EXECUTOR, timedelta(seconds=30), now())


async def why(api: Api, path: str) -> Any:
    return await api.json(200, "GET", f"/api/{path}/why")


async def test_an_overlap_names_the_active_run_and_what_it_was_doing(api: Api) -> None:
    begin = now() - timedelta(seconds=30)
    job = await api.create(recurrence={"every": "PT20S"}, scheduled_at=begin.isoformat())
    [first] = await dispatch(api, job["id"], begin + timedelta(seconds=1))
    await api.execute(str(first.id), starting(first))
    [skipped] = await dispatch(api, job["id"], begin + timedelta(seconds=30))
    await api.execute(str(first.id), Succeed(1, None, now()))  # its outcome since then does not matter
    explanation = await why(api, f"run/{skipped.id}")
    assert f"because run {first.id} of the same job was still active" in explanation["answer"]
    other, first_event = explanation["because"]
    assert (other["run_id"], other["event"]) == (str(first.id), None)
    assert "had been running its attempt 1" in other["says"]
    assert (first_event["event"], "run_id" in first_event) == ("RunSkipped", False)
    for at in (skipped.nominal_at, skipped.nominal_at.replace(microsecond=0)):
        assert (await why_at(api, job["id"], at))["answer"] == explanation["answer"]


async def test_a_skip_is_never_explained_by_a_caught_up_run(api: Api) -> None:
    """One caught-up run is active, one on time waits for it, and the next meets both."""
    begin = now() - timedelta(minutes=3)
    job = await api.create(recurrence={"every": "PT2M"}, scheduled_at=begin.isoformat())
    [caught_up] = await dispatch(api, job["id"], begin + timedelta(seconds=90))
    await api.execute(str(caught_up.id), starting(caught_up))
    [waits] = await dispatch(api, job["id"], begin + timedelta(minutes=2))
    [skipped] = await dispatch(api, job["id"], begin + timedelta(minutes=4))
    assert (caught_up.trigger, waits.status, skipped.status) == ("catch_up", "waiting", "skipped")
    explanation = await why(api, f"run/{skipped.id}")
    assert f"because run {waits.id} of the same job was still active" in explanation["answer"]
    assert [cause.get("run_id") for cause in explanation["because"]] == [str(waits.id), None]
    assert (
        f"It waits until run {caught_up.id} of the same job has ended." == (await why(api, f"run/{waits.id}"))["answer"]
    )


async def test_a_held_run_says_who_holds_it_and_why(api: Api) -> None:
    job = await api.create(recurrence="daily")
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    body = {"reason": "stop the bleeding", "hold": True}
    paused = await api.json(200, "POST", f"/api/job/{job['id']}/pause", body)
    assert (paused["status"], paused["held"]) == ("paused", True)
    explanation = await why(api, f"run/{run['id']}")
    assert explanation["answer"].startswith("It waits until its job is resumed, because ")
    assert "paused the job and held its runs" in explanation["answer"]
    assert "stop the bleeding" in explanation["answer"]
    assert [cause["event"] for cause in explanation["because"] if cause["at"]] == ["RunDispatched", "RunHeld"]
    assert "held its runs" in (await why(api, f"job/{job['id']}"))["answer"]
    await api.json(200, "POST", f"/api/job/{job['id']}/resume")
    explanation = await why(api, f"run/{run['id']}")
    assert explanation["answer"] == "It waits to be started again, due now: its job was held, and then resumed."


async def test_what_becomes_active_while_a_job_is_held_waits(api: Api) -> None:
    dead = await api.dead_letter(recurrence="daily")
    await api.json(200, "POST", f"/api/job/{dead['job_id']}/pause", {"hold": True})
    redriven = await api.json(202, "POST", f"/api/dead-letter/{dead['id']}/redrive", {"reason": "again"})
    triggered = await api.json(202, "POST", f"/api/job/{dead['job_id']}/trigger")
    for run in (redriven, triggered):
        assert (run["status"], run["reason"]) == ("waiting", "paused")
        assert "It waits until its job is resumed" in (await why(api, f"run/{run['id']}"))["answer"]


async def why_at(api: Api, job_id: str, at: datetime | str) -> Any:
    text = at if isinstance(at, str) else at.isoformat().replace("+00:00", "Z")
    return await api.json(200, "GET", f"/api/job/{job_id}/why?at={text}")


async def test_a_waiting_run_names_the_runs_of_its_job_and_those_that_hold_slots(api: Api) -> None:
    begin = now() - timedelta(seconds=50)
    fields: dict[str, Any] = {"recurrence": {"every": "PT20S"}, "scheduled_at": begin.isoformat()}
    fields |= {"overlap": "buffer_all", "concurrency": {"key": "tenant-7", "limit": 1}}
    await serve(api.deps.pool)
    job = await api.create(**fields)
    [first] = await dispatch(api, job["id"], begin + timedelta(seconds=1))
    await api.execute(str(first.id), WakeRun(now(), 0.5, timedelta(minutes=1), free=True))
    second, third = await dispatch(api, job["id"], begin + timedelta(seconds=50))
    explanation = await why(api, f"run/{third.id}")
    assert f"It waits until run {first.id} and 1 further run of the same job have ended." == explanation["answer"]
    assert [each["run_id"] for each in explanation["because"] if each["at"] is None] == [str(first.id), str(second.id)]
    assert [each["run_id"] for each in explanation["because"] if each["at"] and not each["event"]] == [
        str(first.id),
        str(second.id),
    ]
    stranger = await api.create(concurrency={"key": "tenant-7", "limit": 1})
    run = await api.json(202, "POST", f"/api/job/{stranger['id']}/trigger")
    explanation = await why(api, f"run/{run['id']}")
    assert explanation["answer"] == (
        "It waits for a slot of the concurrency key “tenant-7”: 1 of 1 slot is taken, and 2 runs are ahead of it."
    )
    assert explanation["because"][-1]["run_id"] == str(first.id)
    assert "It waits for a slot" in (await why(api, f"job/{stranger['id']}"))["answer"]


async def test_a_queued_run_says_how_many_are_ahead_and_what_is_known_of_executors(api: Api) -> None:
    runs = [(await dispatch(api, (await api.create(queue="slow", scheduled_at=_past()))["id"]))[0] for _ in range(3)]
    explanation = await why(api, f"run/{runs[2].id}")
    assert explanation["answer"].startswith(
        "It waits in the queue “slow” for an executor: 2 runs are ahead of it, and no executor serves"
    )
    assert any("No executor serves the queue “slow”" in each["says"] for each in explanation["because"])
    await serve(api.deps.pool, "slow")
    await api.execute(str(runs[0].id), starting(runs[0]))
    explanation = await why(api, f"run/{runs[2].id}")
    assert explanation["answer"] == "It waits in the queue “slow” for an executor: 1 run is ahead of it."
    assert explanation["because"][-1]["says"].endswith("and 1 run of that queue is running.")


def _past() -> str:
    return (now() - timedelta(seconds=1)).isoformat()


async def test_a_dead_letter_has_its_failures_and_the_calls_that_help(api: Api) -> None:
    run = await api.dead_letter("disk full")
    explanation = await why(api, f"run/{run['id']}")
    assert "after 1 failure, the last one “disk full”" in explanation["answer"]
    assert [each["event"] for each in explanation["because"]] == [
        "RunDispatched", "AttemptStarted", "AttemptFailed", "RunDeadLettered", None,
    ]  # fmt: skip
    assert f"POST /api/dead-letter/{run['id']}/redrive" in explanation["because"][-1]["says"]


async def test_a_pause_has_its_actor_and_reason_for_the_job_and_for_its_times(api: Api) -> None:
    begin = now() + timedelta(hours=1)
    at = begin.replace(microsecond=0)
    job = await api.create(recurrence="daily", timezone="Europe/Berlin", scheduled_at=at.isoformat())
    await api.json(200, "POST", f"/api/job/{job['id']}/pause", {"reason": "stock-taking"})
    explanation = await why(api, f"job/{job['id']}")
    assert explanation["answer"].startswith(
        "No run is due until the job is resumed, because a client without an API key paused the job at "
    )
    assert "with the reason “stock-taking”" in explanation["answer"]
    api.pass_time(timedelta(days=1, hours=12))  # also where a day has 23 or 25 hours
    await api.json(200, "POST", f"/api/job/{job['id']}/resume")
    explanation = await why_at(api, job["id"], at)
    assert "because a client without an API key paused the job" in explanation["answer"]
    assert [each["event"] for each in explanation["because"]] == ["JobCreated", "JobPaused", "OccurrencesSkipped"]
    assert "2 occurrences, from " in explanation["because"][-1]["says"]


async def test_a_time_may_have_any_offset_and_is_shown_in_local_time_of_the_job(api: Api) -> None:
    job = await api.create(recurrence="daily", timezone="Europe/Berlin", scheduled_at="2090-03-24T01:00:00Z")
    for text in ("2090-03-25T02:00:00+01:00", "2090-03-25T02:00:00%2B01:00", "2090-03-25T01:00:00Z"):
        explanation = await why_at(api, job["id"], text)
        assert explanation["answer"].startswith(
            "It is scheduled for 2090-03-25T01:00:00Z (02:00 in Europe/Berlin), which is in "
        )
    explanation = await why_at(api, job["id"], "2090-03-25T01:00:01Z")
    assert explanation["answer"].startswith(
        "The schedule does not include 2090-03-25T01:00:01Z (02:00:01 in Europe/Berlin); the"
    )
    for wrong in ("soon", "2090-03-25T01:00:00", "", "1890-03-25T01:00:00Z"):
        problem = await api.json(422, "GET", f"/api/job/{job['id']}/why?at={wrong}")
        assert problem["errors"][0]["pointer"] == "/at"
    await api.json(422, "GET", f"/api/job/{job['id']}/why?when=now")
    unknown = UUID(int=5)
    await api.json(404, "GET", f"/api/job/{unknown}/why")
    await api.json(404, "GET", f"/api/run/{unknown}/why")


async def test_a_run_and_a_job_that_do_not_exist_are_the_same_problem(api: Api) -> None:
    unknown = UUID(int=5)
    with pytest.raises(Problem, match=f"there is no job {unknown}"):
        await queries.why_job(api.deps, unknown, None)
    with pytest.raises(Problem, match=f"there is no run {unknown}"):
        await queries.why_run(api.deps, unknown)


async def test_manual_runs_and_backfills_are_found_at_their_time(api: Api) -> None:
    at = (now() + timedelta(days=1)).replace(microsecond=0)
    job = await api.create(recurrence="daily", scheduled_at=at.isoformat())
    run = await api.json(202, "POST", f"/api/job/{job['id']}/trigger")
    explanation = await why_at(api, job["id"], run["nominal_at"])
    assert explanation["answer"] == "It is due, and waits for a scheduler to send it to its queue."
    assert explanation["because"][0]["says"].startswith("A client without an API key triggered it at ")
    await api.json(202, "POST", f"/api/run/{run['id']}/cancel")
    api.pass_time(timedelta(days=1, hours=1))
    later = at + timedelta(hours=1)
    [missed] = await dispatch(api, job["id"], later)
    await api.execute(str(missed.id), *fail_for_good("boom", dispatch=1))
    context = DecisionContext(
        now=later, misfire=timedelta(minutes=1), look_again_after=timedelta(minutes=1), dispatch=0
    )
    async with acquire(api.deps.pool) as db:
        recorded = (await load_jobs(db, [UUID(job["id"])]))[UUID(job["id"])]
    await handle(api, job["id"], Backfill(past(recorded, at), Overlap.ALLOW_ALL, context))
    explanation = await why_at(api, job["id"], at)
    assert "the last one “boom”" in explanation["answer"]
    assert "a backfill: It is due" in explanation["answer"]
    assert missed.id == run_id_at(UUID(job["id"]), at)
    assert "no scheduler dispatched it until 1 hour later" in explanation["because"][0]["says"]
    assert [each["event"] for each in explanation["because"] if each["at"]] == [
        "RunDispatched", "AttemptStarted", "AttemptFailed", "RunDeadLettered", "RunDispatched",
    ]  # fmt: skip


async def test_the_definition_in_force_at_the_time_decides(api: Api) -> None:
    at = (now() + timedelta(hours=1)).replace(microsecond=0)
    job = await api.create(recurrence={"every": "PT1H"}, scheduled_at=at.isoformat())
    api.pass_time(timedelta(minutes=90))
    await dispatch(api, job["id"], now() + timedelta(minutes=61))
    await api.json(200, "PATCH", f"/api/job/{job['id']}", {"recurrence": {"every": "PT15M"}})
    explanation = await why_at(api, job["id"], at + timedelta(minutes=15))
    assert explanation["answer"].startswith("The schedule in force then did not include ")
    explanation = await why_at(api, job["id"], at + timedelta(minutes=150))
    assert explanation["answer"].startswith("It is scheduled for ")
    await api.json(204, "DELETE", f"/api/job/{job['id']}")
    explanation = await why_at(api, job["id"], at + timedelta(minutes=150))
    assert explanation["answer"].startswith("It will not run, because a client without an API key deleted the job at ")
    assert "No further run will start" in (await why(api, f"job/{job['id']}"))["answer"]


async def test_a_run_in_the_line_of_a_rate_has_its_position_and_time(api: Api) -> None:
    rate = {"key": "stripe", "limit": 1, "per": "PT1H"}
    await serve(api.deps.pool)
    past_time = (now() - timedelta(seconds=1)).isoformat()
    jobs = [await api.create(rate=rate, scheduled_at=past_time) for _ in range(3)]
    [first], [second], [third] = [await dispatch(api, job["id"]) for job in jobs]
    await api.execute(str(first.id), WakeRun(now(), 0, timedelta(minutes=1), free=True))
    await api.execute(str(first.id), StartAttempt(1, EXECUTOR, timedelta(seconds=30), now()))
    answers = [await why(api, f"run/{run.id}") for run in (second, third)]
    for ahead, in_hours, answer in zip(("no run is ahead", "1 run is ahead"), (1, 2), answers, strict=True):
        start = await api.deps.pool.fetchval("SELECT started_at FROM rate_starts") + timedelta(hours=in_hours)
        assert "the rate of the key “stripe”, which allows 1 start in any hour" in answer["answer"]
        assert f"{ahead} of it, and it may start at about {start:%Y-%m-%dT%H:%M:%SZ}" in answer["answer"]
    assert answers[0]["because"][-1]["says"] == (
        "With the key “stripe” 1 attempt started within the last hour, and 0 runs are sent and not started."
    )
