"""Jobs and runs survive a restart of all services."""

from support.fleet import Platform
from support.histories import from_now, job_events, types
from support.load import launch


def test_a_restart_of_all_services_changes_nothing(platform: Platform) -> None:
    launch(platform, api=1, scheduler=1, executor=1)
    platform.environment["DUEBOOK_TASKS"] = "user_tasks"
    done = platform.create(name="done")
    daily = platform.create(name="daily", recurrence="daily", scheduled_at=from_now(days=1))
    queued = platform.create(name="queued", task="nap", queue="queued")
    run = platform.await_run(done["id"], "succeeded")
    waiting = platform.await_run(queued["id"], "waiting")
    before = {job["id"]: platform.get(f"/api/job/{job['id']}") for job in (done, daily, queued)}
    for service in list(platform.services.values()):
        assert service.stop() == 0
    for service in platform.services.values():
        service.start()
    for service in platform.services.values():
        service.await_ready()
    assert {job_id: platform.get(f"/api/job/{job_id}") for job_id in before} == before
    assert platform.runs(done["id"]) == [run]
    assert types(platform, run["id"]) == ["RunDispatched", "AttemptStarted", "AttemptSucceeded"]
    assert [event["type"] for event in job_events(platform, daily["id"])] == ["JobCreated"]
    platform.start("executor", DUEBOOK_QUEUES="queued", DUEBOOK_TASKS="user_tasks")
    assert platform.await_run(queued["id"], "succeeded")["id"] == waiting["id"]


def test_a_job_accepted_while_only_the_api_ran_runs_later(platform: Platform) -> None:
    launch(platform, api=1)
    job = platform.create(name="early", scheduled_at=from_now(seconds=0))
    assert platform.runs(job["id"]) == []
    launch(platform, scheduler=1, executor=1)
    assert platform.await_run(job["id"], "succeeded")["attempt"] == 1
