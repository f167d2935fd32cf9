"""What was told to Duebook outlives its services."""

from support.fleet import Platform
from support.histories import from_now, job_events, types
from support.load import launch


def test_services_that_stop_and_start_find_everything_as_it_was(platform: Platform) -> None:
    launch(platform, api=1, scheduler=1, executor=1)
    platform.environment["DUEBOOK_TASKS"] = "user_tasks"
    done = platform.create(name="done")
    daily = platform.create(name="daily", recurrence="daily", scheduled_at=from_now(days=1))
    unheard = platform.create(name="unheard", task="nap", queue="unheard")
    run = platform.await_run(done["id"], "succeeded")
    waiting = platform.await_run(unheard["id"], "dispatched")
    before = {job["id"]: platform.get(f"/api/job/{job['id']}") for job in (done, daily, unheard)}
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
    platform.start("executor", DUEBOOK_QUEUES="unheard", DUEBOOK_TASKS="user_tasks")
    assert platform.await_run(unheard["id"], "succeeded")["id"] == waiting["id"]


def test_what_was_accepted_while_nothing_else_ran_is_done_later(platform: Platform) -> None:
    launch(platform, api=1)
    job = platform.create(name="early", scheduled_at=from_now(seconds=0))
    assert platform.runs(job["id"]) == []
    launch(platform, scheduler=1, executor=1)
    assert platform.await_run(job["id"], "succeeded")["attempt"] == 1
