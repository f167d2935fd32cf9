"""A scheduler dies between commit and publish, or several run at once: each occurrence is dispatched once."""

import asyncio
from datetime import UTC, datetime, timedelta

from duebook_devstack.rabbitmq import RabbitMQ
from support.counting import check_statistics
from support.fleet import Platform, eventually
from support.load import JobSpec, Load, job_spec, launch, mix


def test_runs_of_a_scheduler_that_died_before_publishing_are_sent_later(
    platform: Platform, private_rabbitmq: RabbitMQ
) -> None:
    load = Load(platform, DUEBOOK_RABBITMQ_URL=private_rabbitmq.url, DUEBOOK_QUEUES="undeclared")
    launch(platform, api=1, scheduler=1, executor=1)
    private_rabbitmq.pause()
    load.submit([job_spec(queue="undeclared")] * 20)  # the scheduler must declare the queue first, and hangs
    eventually(lambda: len(load.events("RunDispatched")) == 20)
    platform["scheduler", 0].kill()
    private_rabbitmq.resume()
    assert load.events("AttemptStarted") == []
    launch(platform, scheduler=1)
    load.check()
    asyncio.run(check_statistics(platform.environment["DUEBOOK_POSTGRES_URL"]))
    assert [row["data"]["dispatch"] for row in load.events("RunRequeued")] == [2] * 20
    assert {row["attempt"] for row in load.events("AttemptSucceeded")} == {1}


def test_three_schedulers_dispatch_nothing_twice(platform: Platform) -> None:
    load = Load(platform, DUEBOOK_LEASE="PT2M")  # no attempt is lost here, so no message may be sent again
    launch(platform, api=1, scheduler=3, executor=3)
    at_once = datetime.now(UTC) + timedelta(seconds=4)
    daily = [_due(job, at_once) for job in mix(200)]
    load.submit(mix(300), daily)  # these fall due for all three schedulers at the same time
    load.submit(mix(200), [_retried_at_once()] * 100)
    load.check()
    failed = [row for row in load.events("AttemptFailed") if row["data"]["retry_at"] is not None]
    assert len(load.events("RunRequeued")) == len(failed)
    assert len(load.events("RunDispatched")) == 800


def _retried_at_once() -> JobSpec:
    """Its next attempt is due before the executor has finished with the last one."""
    failing = job_spec(failures=5)
    return JobSpec(failing.job | {"backoff": {"initial": "PT0.001S", "factor": 1, "max": "PT0.001S", "jitter": 0}})


def _due(daily: JobSpec, time: datetime) -> JobSpec:
    return JobSpec(daily.job | {"scheduled_at": time.isoformat(), "recurrence": "daily"}, daily.status)
