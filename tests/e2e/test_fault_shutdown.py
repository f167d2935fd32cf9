"""SIGTERM: attempts end within the grace time or are released uncharged, and no lock or running attempt remains."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import redis

from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.services import Service
from support.fleet import Platform, eventually
from support.load import Load, held, launch, mix


def test_a_stopping_executor_finishes_or_releases_its_attempts(platform: Platform, redis_url: str) -> None:
    load = Load(platform, DUEBOOK_GRACE="PT10S")
    launch(platform, api=1, scheduler=1, executor=1)
    stopping = platform["executor", 0]
    load.submit(held(4, "soon"), held(4, "later"))
    load.await_running(4, "soon")
    running = load.await_running(4, "later")
    stopping.terminate()
    eventually(lambda: _draining(stopping))
    load.open("soon")
    eventually(lambda: {row["status"] for row in load.held("soon")} == {"succeeded"})
    assert stopping.process is not None
    assert stopping.process.exit_code is None, "the executor waits for its other attempts"
    load.submit(mix(60))  # these are for the next executor
    launch(platform, executor=1)
    assert _exit_code(stopping) == 0
    load.open("later")
    load.check()
    assert {row["attempt"] for row in load.held("soon")} == {1}
    assert {(row["attempt"], row["failures"]) for row in load.held("later")} == {(2, 0)}
    assert {row["run_id"] for row in load.events("AttemptReleased")} == {row["run_id"] for row in running}
    assert load.events("AttemptLost") == []
    assert {row["executor"] for row in running}.isdisjoint(row["executor"] for row in load.held("later"))
    _assert_nothing_left(load, redis_url)


def test_every_service_drains_under_load(platform: Platform, redis_url: str) -> None:
    load = Load(platform)
    launch(platform, api=1, scheduler=2, executor=2, notifier=1)
    load.submit(mix(300))
    load.await_ended(20)
    first = [platform["scheduler", 0], platform["executor", 0], platform["notifier", 0]]
    assert _stopped(first) == [0, 0, 0]
    load.check()
    others = [platform["api", 0], platform["scheduler", 1], platform["executor", 1]]
    assert _stopped(others) == [0, 0, 0]
    _assert_nothing_left(load, redis_url)
    for service in first + others:
        assert '"drained"' in service.log.read_text(encoding="utf-8")


def _stopped(services: list[Service]) -> list[int | None]:
    with ThreadPoolExecutor(len(services)) as pool:
        return list(pool.map(Service.stop, services))


def _exit_code(service: Service) -> int:
    process = service.process
    assert process is not None
    return eventually(lambda: process.exit_code, 60)


def _draining(service: Service) -> bool:
    answer = httpx2.get(f"{service.url}/readyz", timeout=30, trust_env=False, verify=WITHOUT_TLS)
    return answer.status_code == 503 and answer.json()["status"] == "draining"


def _assert_nothing_left(load: Load, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        eventually(lambda: client.keys("duebook:lock:*") == [])
    assert load.query("SELECT run_id FROM runs WHERE status = 'running'") == []
