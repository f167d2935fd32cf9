"""Services are killed while runs end: each end has its follow-ups once."""

import time
from random import Random

import httpx2

from support.fleet import Platform, eventually
from support.load import JobSpec, Load, job_spec, launch

_KILLS, _JOBS = 6, 60


def test_each_end_has_its_follow_ups_once_whatever_is_killed(platform: Platform) -> None:
    load, random = Load(platform), Random(7)
    launch(platform, api=1, scheduler=2, executor=2)
    _define(platform, "c")
    _define(platform, "b", then=[{"job": "key:c"}])
    chained = JobSpec(job_spec().job | {"then": [{"job": "key:b", "payload": "result"}, {"job": "key:none"}]})
    with load.submitting(*[[chained] * (_JOBS // 6)] * 6):
        for _ in range(_KILLS):
            service = random.choice([*platform.services.values()])
            service.kill()
            time.sleep(random.uniform(0, 0.3))  # not a wait for a fact: how long the service is gone
            service.start()
    for service in platform.services.values():
        service.await_ready()
    eventually(lambda: len(_followed(load, "c")) >= _JOBS, 180, load.summary)
    load.await_ended(3 * _JOBS, 180)
    assert [len(_followed(load, key)) for key in "bc"] == [_JOBS, _JOBS]
    assert [len(set(_followed(load, key))) for key in "bc"] == [_JOBS, _JOBS]
    assert len(load.events("FollowUpRefused")) == _JOBS
    load.check_invariants()


def _define(platform: Platform, key: str, **more: object) -> None:
    body = job_spec().job | {"scheduled_at": "2100-01-01T00:00:00Z", "payload": {}, "task": "log"} | more
    httpx2.put(f"{platform['api', 0].url}/api/job/key:{key}", json=body, trust_env=False).raise_for_status()


def _followed(load: Load, key: str) -> list[str]:
    """The runs whose ends have triggered this job."""
    rows = load.query("SELECT cause FROM runs JOIN jobs USING (job_id) WHERE key = $1 AND trigger = 'follow_up'", key)
    return [str(row["cause"]) for row in rows]
