"""Services and servers are killed while runs end: each end has its follow-ups once, and each of these its mail."""

import time
from collections.abc import Iterator
from random import Random

import httpx2
import pytest

from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.server import Server
from duebook_devstack.services import Service
from duebook_devstack.stack import Stack
from support.faults import note_queues
from support.fleet import Platform, eventually
from support.load import JobSpec, Load, job_spec, launch

_KILLS_OF_SERVICES, _JOBS = 5, 60


@pytest.fixture
def platform(stack: Stack) -> Iterator[Platform]:
    """Services on servers that may break."""
    with Platform(stack.environment) as platform:
        yield platform


def test_each_end_has_its_follow_ups_once_whatever_is_killed(platform: Platform, stack: Stack) -> None:
    load, random = Load(platform), Random(7)
    launch(platform, api=1, scheduler=2, executor=2, notifier=1)
    note_queues(stack)
    _define(platform, "c", notify={"to": ["ops@example.com"], "on": ["succeeded"]})
    _define(platform, "b", then=[{"job": "key:c"}])
    chained = JobSpec(job_spec().job | {"then": [{"job": "key:b", "payload": "result"}, {"job": "key:none"}]})
    with load.submitting(*[[chained] * (_JOBS // 6)] * 6):
        _kill_at_random(platform, stack, random)
    for service in platform.services.values():
        service.await_ready()
    eventually(lambda: len(_followed(load, "c")) >= _JOBS, 180, load.summary)
    load.await_ended(3 * _JOBS, 180)
    assert [len(_followed(load, key)) for key in "bc"] == [_JOBS, _JOBS]
    assert [len(set(_followed(load, key))) for key in "bc"] == [_JOBS, _JOBS]
    assert len(load.events("FollowUpRefused")) == _JOBS
    eventually(lambda: len(load.events("MailSent")) >= _JOBS, 180)
    mailed = [mail["data"]["message_id"] for mail in load.events("MailSent")]
    assert len(mailed) == len(set(mailed)) == _JOBS
    load.check_invariants()


def _kill_at_random(platform: Platform, stack: Stack, random: Random) -> None:
    """Each server and the notifier once, and other services, in any order; each comes back soon."""
    services = random.choices([*platform.services.values()], k=_KILLS_OF_SERVICES - 1)
    servers = [each for each in (stack.postgres, stack.rabbitmq, stack.redis) if isinstance(each, Server)]
    victims: list[Service | Server] = [platform["notifier", 0], *services, *servers]
    random.shuffle(victims)
    for victim in victims:
        victim.kill()
        time.sleep(random.uniform(0, 0.3))  # not a wait for a fact: how long it is gone
        victim.start()


def _define(platform: Platform, key: str, **more: object) -> None:
    body = job_spec().job | {"scheduled_at": "2100-01-01T00:00:00Z", "payload": {}, "task": "log"} | more
    httpx2.put(
        f"{platform['api', 0].url}/api/job/key:{key}", json=body, trust_env=False, verify=WITHOUT_TLS
    ).raise_for_status()


def _followed(load: Load, key: str) -> list[str]:
    """The runs whose ends have triggered this job."""
    rows = load.query("SELECT cause FROM runs JOIN jobs USING (job_id) WHERE key = $1 AND trigger = 'follow_up'", key)
    return [str(row["cause"]) for row in rows]
