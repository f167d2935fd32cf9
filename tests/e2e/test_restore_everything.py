"""A database of yesterday, a broker without data and an empty Redis, all at once."""

import asyncio
from collections import Counter
from uuid import uuid4

from duebook_devstack.postgres import Postgres
from duebook_devstack.redis import Redis
from support import servers
from support.fleet import Platform, eventually
from support.load import Load, held, launch, mix
from support.program import Program
from support.restore import copy, mailed, named, spend_transaction_ids
from support.smtp_server import Mailbox


def ended(load: Load, prefix: str, count: int) -> None:
    """Wait until the runs of these jobs have ended."""
    statement = "SELECT run_id FROM runs WHERE job_name LIKE $1 AND finished_at IS NOT NULL"
    eventually(lambda: len(load.query(statement, f"{prefix} %")) == count, 60, load.summary)


def statuses(load: Load) -> dict[str, str]:
    """The status of each job's run, but for the series."""
    return {run["job_id"]: run["status"] for run in load.listed_runs() if run["job_name"] != "series"}


def at_yesterdays_dump(load: Load, smtp: Mailbox) -> Counter[str]:
    """Runs in every state; returns the mails of which the database knows that they were sent."""
    platform = load.platform
    launch(platform, api=1, scheduler=1, executor=1, notifier=1)
    load.submit(named("mailed", mix(20)), held(3, "gate"))
    platform.create(name="series", recurrence={"every": "PT1S"}, catch_up={"policy": "all"}, max_runs=10)
    load.await_running(3, "gate")
    eventually(lambda: len(smtp.messages) == 20, 60, lambda: str(mailed(smtp)))
    eventually(lambda: load.query("SELECT count(*) AS n FROM mails WHERE status = 'sent'")[0]["n"] == 20)
    platform["notifier", 0].kill()
    load.submit(named("unmailed", mix(10)))
    ended(load, "unmailed", 10)
    platform["executor", 0].kill()  # its attempts are lost, and its queue gets runs while it counts as alive
    load.submit(named("sent", mix(5)))
    dispatched = "SELECT run_id FROM runs WHERE job_name LIKE 'sent %' AND status = 'dispatched' AND dispatch > 0"
    eventually(lambda: len(load.query(dispatched)) == 5, 60, load.summary)
    return mailed(smtp)


def test_everything_restored_at_once_loses_nothing_that_the_database_knew(
    platform: Platform, private_postgres: Postgres, private_redis: Redis, smtp: Mailbox
) -> None:
    url = platform.environment["DUEBOOK_POSTGRES_URL"]
    asyncio.run(spend_transaction_ids(url))
    load = Load(platform)
    known_as_sent = at_yesterdays_dump(load, smtp)
    copy(url, private_postgres.url)
    expected = dict(load.expected)
    launch(platform, executor=1, notifier=1)
    load.submit(named("of today", mix(5)))
    ended(load, "of today", 5)
    for service in platform.services.values():
        service.kill()

    with servers.vhost(f"test_{uuid4().hex}") as broker:
        environment = {
            **platform.environment,
            "DUEBOOK_POSTGRES_URL": private_postgres.url,
            "DUEBOOK_RABBITMQ_URL": broker,
            "DUEBOOK_REDIS_URL": private_redis.url,
        }
        assert Program(environment)("rebase-log").exit_code == 0
        with Platform(environment) as anew:
            restored = Load(anew)
            restored.expected = expected
            launch(anew, api=1, scheduler=1, executor=1, notifier=1)
            restored.open("gate")
            eventually(lambda: statuses(restored) == expected, 90, restored.summary)
            owed = {f"{prefix} {n}" for prefix, count in (("unmailed", 10), ("sent", 5)) for n in range(count)}
            eventually(lambda: all(any(f"{name} " in s for s in mailed(smtp)) for name in owed), 60)
            assert {subject: mailed(smtp)[subject] for subject in known_as_sent} == known_as_sent
            restored.check_invariants()
