"""An executor whose clock steps by an hour in the middle of attempts: it loses none, and begins none again."""

from datetime import datetime
from uuid import UUID

import pytest

from support.faults import Clocks
from support.fleet import Platform, eventually
from support.load import Load, launch
from support.servers import private_path

_HOUR = 3600
_NOW = "SELECT clock_timestamp()"
_LEASE = "SELECT expires_at FROM leases WHERE run_id = $1"


def test_a_clock_that_steps_loses_no_attempt(platform: Platform) -> None:
    clocks, load = Clocks(private_path()), Load(platform, DUEBOOK_LEASE="PT30S")
    if not clocks.available:
        pytest.skip("libfaketime is not installed")
    launch(platform, api=1, scheduler=1)
    [executor] = platform.launch("executor", 1, clocks.environment("executor"))
    executor.await_ready()
    [(began,)] = platform.query(_NOW)
    job = platform.create(name="long", task="effect", timeout="PT2M", payload={"gate": "go"})
    run = platform.await_run(job["id"], "running")
    jobs = [job]
    for seconds in (_HOUR, -_HOUR, 0):
        clocks.step("executor", seconds)
        backoff = {"initial": "PT1S", "jitter": 0}
        retried = platform.create(name="retried", task="effect", payload={"failures": 1}, backoff=backoff)
        platform.await_run(retried["id"], "succeeded")
        jobs.append(retried)
        await_next_lease(platform, UUID(run["id"]))
    load.open("go")
    platform.await_run(job["id"], "succeeded")
    [(ended,)] = platform.query(_NOW)
    runs = [platform.runs(job["id"])[0] for job in jobs]
    assert [run["attempt"] for run in runs] == [1, 2, 2, 2]
    expected = {(run["id"], attempt): 1 for run in runs for attempt in range(1, run["attempt"] + 1)}
    assert load.effects() == expected
    for run in runs:
        assert began <= datetime.fromisoformat(run["started_at"]) <= datetime.fromisoformat(run["finished_at"]) <= ended


def await_next_lease(platform: Platform, run_id: UUID) -> None:
    """Wait until the executor has extended the lease of the run."""
    before = platform.query(_LEASE, run_id)
    eventually(lambda: platform.query(_LEASE, run_id) != before, 60)
