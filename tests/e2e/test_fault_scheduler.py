"""Schedulers die between commit and publish, or are many: each occurrence is dispatched, once."""

from datetime import UTC, datetime, timedelta

from duebook_devstack.rabbitmq import RabbitMQ
from support.fleet import Platform, eventually
from support.load import Load, Wish, launch, mix, wish


def test_runs_whose_scheduler_died_before_it_sent_them_start_by_their_wake_at(
    platform: Platform, private_rabbitmq: RabbitMQ
) -> None:
    load = Load(platform, DUEBOOK_RABBITMQ_URL=private_rabbitmq.url, DUEBOOK_QUEUES="unheard-of")
    launch(platform, api=1, scheduler=1, executor=1)
    private_rabbitmq.pause()
    load.submit([wish(queue="unheard-of")] * 20)  # the scheduler would have to declare it first, and hangs
    eventually(lambda: len(load.events("RunDispatched")) == 20)
    platform["scheduler", 0].kill()
    private_rabbitmq.resume()
    assert load.events("AttemptStarted") == []
    launch(platform, scheduler=1)
    load.check()
    assert [row["data"]["dispatch"] for row in load.events("RunRequeued")] == [2] * 20
    assert {row["attempt"] for row in load.events("AttemptSucceeded")} == {1}


def test_three_schedulers_and_three_executors_dispatch_nothing_twice(platform: Platform) -> None:
    load = Load(platform, DUEBOOK_LEASE="PT30S")  # nobody falls silent here, so nothing may be sent again
    launch(platform, api=1, scheduler=3, executor=3)
    at_once = datetime.now(UTC) + timedelta(seconds=4)
    daily = [_due(each, at_once) for each in mix(200)]
    load.submit(mix(300), daily)  # all three see these fall due in the same moment
    load.submit(mix(200), [_retried_at_once()] * 100)
    load.check()
    failed = [row for row in load.events("AttemptFailed") if row["data"]["retry_at"] is not None]
    assert len(load.events("RunRequeued")) == len(failed)
    assert len(load.events("RunDispatched")) == 800


def _retried_at_once() -> Wish:
    """Its next attempt is due before the process of the last one has put it aside."""
    each = wish(failures=5)
    return Wish(each.job | {"backoff": {"initial": "PT0.001S", "factor": 1, "max": "PT0.001S", "jitter": 0}})


def _due(each: Wish, time: datetime) -> Wish:
    return Wish(each.job | {"scheduled_at": time.isoformat(), "recurrence": "daily"}, each.status)
