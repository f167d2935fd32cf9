"""The end of an executor is noticed long before its leases end, and no restart of a server looks like it."""

import pytest

from duebook_common.domain.run.losses import EXECUTOR_ENDED, LOST
from duebook_common.integrity.migrate import migrate
from duebook_devstack.postgres import Postgres
from support.fleet import Platform, eventually
from support.load import Load, held, launch, mix

_END_SIGNS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'duebook-sign-of-life' AND datname = current_database()
"""
_SIGNS = """
SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = database
WHERE locktype = 'advisory' AND classid = 7244 AND granted AND datname = current_database()
"""


def test_runs_of_a_killed_executor_start_again_long_before_their_lease_ends(platform: Platform) -> None:
    load = Load(platform, DUEBOOK_LEASE="PT1H")
    launch(platform, api=1, scheduler=1, executor=1)
    load.submit(held(6, "gate"))
    load.await_running(6, "gate")
    launch(platform, executor=1)
    load.query(_END_SIGNS)  # a lost connection first: the signs are given again
    eventually(lambda: len(load.query(_SIGNS)) == 2)
    platform["executor", 0].kill()  # while it starts nothing: a start that it prepared waits for its lock in Redis
    load.submit(mix(20))
    eventually(lambda: {(row["attempt"], row["status"]) for row in load.held("gate")} == {(2, "running")})
    load.open("gate")
    load.check()
    assert {row["data"]["error"] for row in load.events("AttemptLost")} == {EXECUTOR_ENDED}
    [run, *_] = load.held("gate")
    why = platform.get(f"/api/run/{run['run_id']}/why")
    assert "ended, so attempt 1 counts as failed" in str(why)


@pytest.mark.parametrize("kill", [True, False], ids=["and a kill", "alone"])
def test_a_restart_of_postgresql_looks_like_no_end(
    private_postgres: Postgres, rabbitmq_url: str, redis_url: str, kill: bool
) -> None:
    migrate(private_postgres.url)
    urls = {"POSTGRES": private_postgres.url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url}
    with Platform({f"DUEBOOK_{name}_URL": url for name, url in urls.items()}) as platform:
        load = Load(platform, DUEBOOK_LEASE="PT6S")
        launch(platform, api=1, scheduler=1, executor=1)
        load.submit(held(6, "gate"))
        load.await_running(6, "gate")
        launch(platform, executor=1)
        private_postgres.kill()
        if kill:
            platform["executor", 0].kill()
        private_postgres.start()
        load.submit(mix(20))
        if kill:
            eventually(lambda: {(row["attempt"], row["status"]) for row in load.held("gate")} == {(2, "running")})
        load.open("gate")
        load.check()
        assert {row["data"]["error"] for row in load.events("AttemptLost")} <= {LOST}
        assert len(load.events("AttemptLost")) == 6 * kill
