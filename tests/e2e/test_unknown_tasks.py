"""A run whose task no executor of its queue has registered waits, uncharged, until an executor registers it."""

from typing import Any

from support.fleet import Platform, eventually

TASKS = "user_tasks"


def status(duebook: Platform, job: dict[str, Any]) -> str:
    text: str = duebook.runs(job["id"])[0]["status"] if duebook.runs(job["id"]) else ""
    return text


def await_waiting(duebook: Platform, job: dict[str, Any]) -> str:
    """Wait until the job's run waits; returns why."""
    run = duebook.await_run(job["id"], "waiting")
    assert (run["attempt"], run["failures"], run["reason"]) == (0, 0, "task")
    answer: str = duebook.get(f"/api/run/{run['id']}/why")["answer"]
    return answer


def await_warning(duebook: Platform, text: str) -> None:
    """The api keeps for some seconds which executors there are."""
    later = {"task": "nap", "queue": "gpu", "scheduled_at": "2100-01-01T00:00:00Z"}
    eventually(lambda: text in duebook.create(**later)["warnings"][0])


def test_a_run_waits_until_an_executor_of_its_queue_registers_its_task(platform: Platform) -> None:
    platform.start("api")
    platform.start("scheduler")
    on_time = platform.create(task="nap", queue="gpu")
    assert "no executor serves the queue “gpu”" in on_time["warnings"][0]
    assert "no executor serves the queue “gpu”" in await_waiting(platform, on_time)
    late = platform.create(task="nap", queue="gpu", start_within="PT1S")
    platform.await_run(late["id"], "skipped")
    platform.start("executor", DUEBOOK_QUEUES="gpu")
    platform.await_run(platform.create(queue="gpu")["id"], "succeeded")
    await_warning(platform, "no executor of the queue “gpu” has registered the task “nap”")
    unknown = platform.create(task="nap", queue="gpu")
    assert "has registered the task “nap”" in await_waiting(platform, unknown)
    by_hand = platform.api.post(f"/api/job/{unknown['id']}/trigger").raise_for_status().json()
    eventually(lambda: platform.get(f"/api/run/{by_hand['id']}")["status"] == "waiting")
    platform.start("executor", DUEBOOK_QUEUES="gpu", DUEBOOK_TASKS=TASKS)
    for job in (on_time, unknown):
        assert platform.await_run(job["id"], "succeeded")["attempt"] == 1
    eventually(lambda: platform.get(f"/api/run/{by_hand['id']}")["status"] == "succeeded")
    eventually(lambda: platform.create(task="nap", queue="gpu", scheduled_at="2100-01-01T00:00:00Z")["warnings"] == [])


def test_a_rolling_deploy_that_adds_a_task_charges_no_run(platform: Platform) -> None:
    """Two executors serve one queue, and only one has the task: either may receive the run."""
    platform.start("api")
    platform.start("scheduler")
    platform.start("executor")
    platform.start("executor", DUEBOOK_TASKS=TASKS)
    eventually(lambda: platform.create(task="nap", scheduled_at="2100-01-01T00:00:00Z")["warnings"] == [])
    jobs = [platform.create(task="nap", max_retries=0) for _ in range(20)]
    for job in jobs:
        run = platform.await_run(job["id"], "succeeded", 60)
        assert (run["attempt"], run["failures"]) == (1, 0)
