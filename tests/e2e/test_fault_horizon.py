"""A transaction that writes stays open, in our database or in another one of the cluster: readers stop, runs do not."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

from duebook_common.integrity.migrate import migrate
from duebook_devstack.postgres import Postgres
from support.fleet import Platform, eventually
from support.load import Load, metric
from support.restore import mailed
from support.smtp_server import Mailbox

_NOTIFY = {"to": ["ops@example.com"], "on": ["succeeded"]}
ALL_EVENTS = ["AttemptStarted", "AttemptSucceeded", "JobCreated", "RunDispatched"]
_AGE = "duebook_feed_horizon_age_seconds"


@pytest.fixture
def platform(rabbitmq_url: str, redis_url: str, smtp: Mailbox, private_postgres: Postgres) -> Any:
    """All services, on a cluster of their own: its horizon is to be held."""
    migrate(private_postgres.url)
    urls = {"POSTGRES": private_postgres.url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url, "SMTP": smtp.url}
    with Platform({f"DUEBOOK_{name}_URL": url for name, url in urls.items()}) as platform:
        platform.start_all()
        yield platform


@contextmanager
def writing(url: str) -> Iterator[None]:
    """A transaction with an id, which only waits."""
    with asyncio.Runner() as runner:
        db = runner.run(asyncpg.connect(url))
        runner.run(db.execute("BEGIN; SELECT pg_current_xact_id()"))
        yield
        runner.run(db.close())


def chained(platform: Platform, name: str) -> tuple[str, str]:
    """A job that has succeeded and is to be mailed, and the job that its run is to trigger."""
    follower = platform.create(name=f"after {name}", scheduled_at="2099-01-01T00:00:00Z")["id"]
    then = [{"job": follower, "on": ["succeeded"]}]
    first = platform.create(name=name, notify=_NOTIFY, then=then)["id"]
    platform.await_run(first, "succeeded")
    return first, follower


def delivered(platform: Platform, job_id: str) -> list[str]:
    """The types of the job's events that the feed delivers."""
    runs = {f"run-{run['id']}" for run in platform.runs(job_id)}
    items = platform.get("/api/events?limit=200")["items"]
    return [event["type"] for event in items if event["stream"] in {f"job-{job_id}", *runs}]


def test_a_transaction_that_writes_stops_readers_and_no_run(
    platform: Platform, smtp: Mailbox, private_postgres: Postgres
) -> None:
    """The role of Duebook sees neither transaction, so the gauge shows what it can: a horizon that stands still."""
    ours = private_postgres.superuser_url.rpartition("/")[0] + "/duebook"
    for n, url in enumerate((private_postgres.superuser_url, ours), 1):
        name = f"job {n}"
        with writing(url):
            first, follower = chained(platform, name)
            eventually(lambda: metric(platform["api", 0], _AGE) > 3)
            assert (delivered(platform, first), platform.runs(follower)) == ([], [])
            assert f"[Duebook] {name} succeeded" not in mailed(smtp)
        platform.await_run(follower, "succeeded")
        eventually(lambda: mailed(smtp)[f"[Duebook] {name} succeeded"] == 1, 60)  # noqa: B023
        eventually(lambda: metric(platform["api", 0], _AGE) < 1)
        assert sorted(delivered(platform, first)) == ALL_EVENTS
    Load(platform).check_invariants()
