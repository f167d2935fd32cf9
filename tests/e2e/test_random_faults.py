"""Faults at random on all services and servers, under load, with series of every policy: nothing is lost.

`DUEBOOK_TEST_FAULTS=300` is the long run; `DUEBOOK_TEST_SEED` chooses other faults.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, product
from random import Random
from threading import Event, Thread
from typing import Any

import pytest

from duebook_devstack.server import Server
from duebook_devstack.stack import Stack
from support.counting import check_statistics
from support.faults import Clocks, Faults, Partitions, note_queues
from support.fleet import Platform, eventually
from support.load import Load, launch, mix
from support.servers import private_path
from support.smtp_server import Mailbox

_FAULTS = int(os.environ.get("DUEBOOK_TEST_FAULTS", "8"))
_SEED = int(os.environ.get("DUEBOOK_TEST_SEED", "1"))
_POLICIES = list(
    product(
        ("skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"), ("latest", "all", "none")
    )
)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks(private_path())  # also the user of PostgreSQL must be able to read it


@pytest.fixture
def platform(stack: Stack, smtp: Mailbox, clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """Services on servers that may break; `executor-0` reaches them over ways that can be closed."""
    assert isinstance(stack.postgres, Server)
    own = {**stack.postgres.environment(), **clocks.environment("postgres")}
    monkeypatch.setattr(stack.postgres, "environment", lambda: own)
    stack.postgres.kill()
    stack.postgres.start()
    urls = {name: url for name, url in stack.environment.items() if name != "DUEBOOK_SMTP_URL"}
    settings = {"DUEBOOK_SMTP_URL": smtp.url, "DUEBOOK_MISFIRE": "PT2S"}
    with Platform({**urls, **settings}) as platform:
        yield platform


def test_a_step_of_the_clock_reaches_postgresql(platform: Platform, clocks: Clocks) -> None:
    """Otherwise the fault below would be none."""
    if not clocks.available:
        pytest.skip("libfaketime is not installed")
    for seconds in (100, -100):
        clocks.step("postgres", seconds)
        [(now,)] = platform.query("SELECT extract(epoch FROM clock_timestamp())::float")
        assert abs(now - time.time() - seconds) < 50


def test_random_faults_on_everything_lose_nothing(
    platform: Platform, stack: Stack, smtp: Mailbox, clocks: Clocks
) -> None:
    load, random = Load(platform), Random(_SEED)
    urls = {name: url for name, url in stack.environment.items() if name != "DUEBOOK_SMTP_URL"}
    ways = Partitions(urls)
    with ways as own_ways:
        [reached] = platform.launch("executor", 1, own_ways)
        launch(platform, api=1, scheduler=2, executor=2, notifier=2)
        reached.await_ready()
        note_queues(stack)
        series = _series(platform)
        with Faults(stack, platform, smtp, clocks, ways) as faults, _submitting(load):
            while len(faults.history) < _FAULTS:
                faults.inflict(random)
                time.sleep(random.uniform(0, 1))  # not a wait for a fact: the load between two faults
        print(*faults.history, sep="\n")
        for service in platform.services.values():
            service.await_ready()
        _check_series(platform, load, series)
        eventually(lambda: _ended(load) >= len(load.expected), 300, load.summary)
        load.check()
        asyncio.run(check_statistics(stack.environment["DUEBOOK_POSTGRES_URL"]))
        eventually(lambda: _mails(smtp).keys() >= {f"{job}@example.com" for job in _names(load)}, 180)
        assert {to: len(ids) for to, ids in _mails(smtp).items() if len(ids) > 1} == {}


def _series(platform: Platform) -> list[str]:
    """A job due every second for each pair of policies."""
    jobs = [
        {
            "name": f"{overlap} {catch_up}", "task": "effect", "payload": {"seconds": 0.3 if number % 2 else 0},
            "recurrence": {"every": "PT1S"}, "overlap": overlap, "catch_up": {"policy": catch_up},
        }
        for number, (overlap, catch_up) in enumerate(_POLICIES)
    ]  # fmt: skip
    answer = platform.api.post("/api/job/batch", json={"jobs": jobs}).raise_for_status()
    return [job["id"] for job in answer.json()["items"]]


@contextmanager
def _submitting(load: Load) -> Iterator[None]:
    """Submit 50 one-off jobs each second while the block runs, each with a recipient of its own."""
    ended, numbers = Event(), count()

    def submit() -> None:
        while not ended.wait(1):
            load.submit([replace(spec, job=_with_recipient(spec.job, next(numbers))) for spec in mix(50)])

    thread = Thread(target=submit)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _with_recipient(job: dict[str, Any], number: int) -> dict[str, Any]:
    return job | {"name": f"load-{number}", "notify": {"to": [f"load-{number}@example.com"]}}


def _ended(load: Load) -> int:
    under_way = "('waiting', 'dispatched', 'running', 'retrying')"
    of_load = "SELECT count(*) FROM runs JOIN jobs USING (job_id) WHERE jobs.name LIKE 'load-%'"
    ended = f"{of_load} AND runs.status NOT IN {under_way}"
    return int(load.query(ended)[0][0])


def _names(load: Load) -> list[str]:
    return [row["name"] for row in load.query("SELECT name FROM jobs WHERE name LIKE 'load-%'")]


def _check_series(platform: Platform, load: Load, series: list[str]) -> None:
    """Every nominal time of every series is accounted for."""
    for job_id in series:
        platform.api.delete(f"/api/job/{job_id}").raise_for_status()
    waiting = "SELECT count(*) FROM runs WHERE job_id::text = ANY($1) AND wake_at IS NOT NULL"
    eventually(lambda: load.query(waiting, series)[0][0] == 0, 180, load.summary)
    for job_id in series:
        job = platform.get(f"/api/job/{job_id}")
        span = f"from={job['created_at']}&to={job['updated_at']}"
        ledger = platform.get(f"/api/job/{job_id}/ledger?{span}&limit=1")
        assert ledger["expected"] > 0
        assert ledger["unaccounted"] == 0, job["name"]


def _mails(smtp: Mailbox) -> dict[str, set[str]]:
    """The ids of the mails of each recipient. A mail that came twice has the same id."""
    found: dict[str, set[str]] = defaultdict(set)
    for message in smtp.messages:
        found[str(message["To"])].add(str(message["Message-ID"]))
    return found
