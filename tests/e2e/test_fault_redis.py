"""Redis loses its data or stops: work goes on, and nothing is done twice."""

import pytest
import redis

from duebook_devstack.redis import Redis
from support.fleet import Platform, eventually
from support.load import Load, held, launch, metric, mix


@pytest.fixture
def load(platform: Platform, private_redis: Redis) -> Load:
    load = Load(platform, DUEBOOK_REDIS_URL=private_redis.url)
    launch(platform, api=1, scheduler=1, executor=2)
    return load


def test_a_loss_of_redis_data_loses_and_repeats_nothing(load: Load, private_redis: Redis) -> None:
    load.submit(held(6, "gate"), mix(200))
    load.await_running(6, "gate")
    with load.submitting(mix(100), mix(100)):
        for ended in (50, 100, 200):
            load.await_ended(ended)
            private_redis.empty()  # deletes the locks of all running attempts
    with redis.Redis.from_url(private_redis.url) as client:
        names = {f"duebook:lock:run:{row['run_id']}" for row in load.held("gate")}
        eventually(lambda: client.exists(*names) == 6)  # acquired again by the running executors
    load.open("gate")
    load.check()
    assert {row["attempt"] for row in load.held("gate")} == {1}


def test_an_outage_of_redis_costs_time_at_most(load: Load, private_redis: Redis) -> None:
    load.submit(held(6, "gate"), mix(200))
    load.await_running(6, "gate")
    with load.submitting(mix(100), mix(100)):
        private_redis.stop()
    load.await_ended(400)  # without Redis everything but the held runs goes on
    executors = [load.platform["executor", number] for number in (0, 1)]
    assert sum(metric(executor, 'duebook_locks_total{result="unavailable"}') for executor in executors) > 0
    private_redis.start()
    load.submit(mix(60))
    load.open("gate")
    load.check()
    assert {row["attempt"] for row in load.held("gate")} == {1}
