"""Without hints the scheduler polls as DUEBOOK_POLL_CRON says, and work goes on without Redis."""

import time
from datetime import UTC, datetime

from duebook_devstack.ports import free_port
from support.fleet import Platform
from support.histories import events, from_now, recorded, when
from support.load import launch, metric
from support.silence import SHARED_CORES

_PERIOD = 2


def test_without_redis_due_jobs_are_found_by_the_cron_expression(platform: Platform) -> None:
    no_redis = f"redis://127.0.0.1:{free_port()}/0"
    platform.environment |= {"DUEBOOK_REDIS_URL": no_redis, "DUEBOOK_POLL_CRON": f"*/{_PERIOD} * * * * *"}
    launch(platform, api=1, scheduler=1, executor=1)
    for _ in range(3):
        _await_phase(0.5)
        job = platform.create()
        run = platform.await_run(job["id"], "succeeded")
        (dispatched,) = recorded(events(platform, run["id"]), "RunDispatched")
        # Not only at the tick: on a full machine looks take long, and then another follows within a second.
        assert dispatched.timestamp() < _tick_after(when(job["created_at"]).timestamp()) + 5 * SHARED_CORES
    assert metric(platform["executor", 0], 'duebook_locks_total{result="unavailable"}') > 0


def test_a_known_due_time_is_kept_between_polls(platform: Platform) -> None:
    platform.environment["DUEBOOK_POLL_CRON"] = "0 0 0 1 1 *"  # once a year
    launch(platform, api=1, scheduler=1, executor=1)
    job = platform.create(scheduled_at=from_now(seconds=1))
    run = platform.await_run(job["id"], "succeeded")
    assert (run["nominal_at"], run["trigger"]) == (job["scheduled_at"], "schedule")


def _await_phase(seconds: float) -> None:
    """Wait until the current time is this long after a poll."""
    while not seconds <= datetime.now(UTC).timestamp() % _PERIOD < seconds + 0.5:
        time.sleep(0.02)


def _tick_after(moment: float) -> float:
    return (moment // _PERIOD + 1) * _PERIOD
