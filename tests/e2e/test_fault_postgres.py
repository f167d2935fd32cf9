"""PostgreSQL crashes, stops or hangs for longer than a lease: no running attempt is declared lost."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from duebook_common.integrity.migrate import migrate
from duebook_devstack.postgres import Postgres
from support.fleet import Platform, eventually
from support.load import Load, held, launch, mix

_LEASE = 5.0


@pytest.fixture
def load(rabbitmq_url: str, redis_url: str, private_postgres: Postgres) -> Iterator[Load]:
    migrate(private_postgres.url)
    urls = {"POSTGRES": private_postgres.url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url}
    with Platform({f"DUEBOOK_{name}_URL": url for name, url in urls.items()}) as platform:
        load = Load(platform, DUEBOOK_LEASE=f"PT{_LEASE:.0f}S")
        launch(platform, api=1, scheduler=1, executor=2)
        yield load


def test_a_crash_of_postgresql_loses_and_repeats_nothing(load: Load, private_postgres: Postgres) -> None:
    load.submit(held(6, "gate"), mix(200))
    load.await_running(6, "gate")
    with load.submitting(mix(100), mix(100)):
        private_postgres.kill()
        private_postgres.start()
    _await_trust(load)
    load.open("gate")
    load.check()
    assert load.events("AttemptLost") == []


def _stops(postgres: Postgres) -> None:
    postgres.stop()
    time.sleep(1.5 * _LEASE)  # the length of the fault itself
    postgres.start()


def _hangs(postgres: Postgres) -> None:
    postgres.pause()
    time.sleep(1.5 * _LEASE)
    postgres.resume()


@pytest.mark.parametrize("fault", [_stops, _hangs])
def test_attempts_survive_an_outage_that_is_longer_than_a_lease(
    load: Load, private_postgres: Postgres, fault: Callable[[Postgres], None]
) -> None:
    executors = [load.platform["executor", number] for number in (0, 1)]
    load.submit(held(6, "gate"), mix(100))
    load.await_running(6, "gate")
    with load.submitting(mix(100)):
        for service in executors:
            service.pause()  # so that the scheduler reconnects first
        fault(private_postgres)
        recovered = datetime.now(UTC)
        eventually(lambda: _decided(load, recovered))
        for service in executors:
            service.resume()
    _await_trust(load)
    load.open("gate")
    load.check()
    assert load.events("AttemptLost") == []
    assert {row["attempt"] for row in load.held("gate")} == {1}


def _decided(load: Load, recovered: datetime) -> bool:
    """Whether the scheduler has looked at the held runs: it postponed them or declared their attempts lost."""
    return all(row["wake_at"] > recovered for row in load.held("gate")) or load.events("AttemptLost") != []


def _await_trust(load: Load) -> None:
    """Wait until the lease of each held run was renewed long after the fault."""
    recovered = datetime.now(UTC)
    eventually(lambda: all((row["wake_at"] - recovered).total_seconds() > 1.5 * _LEASE for row in load.held("gate")))
