"""The primary is killed and a standby promoted, by the commands of the page: what it promises holds."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from duebook_common.integrity.migrate import migrate
from duebook_devstack.postgres import Postgres
from support.clusters import CopiedPostgres, copied, database_administrator, superuser_says
from support.fleet import Platform, eventually
from support.load import Load, held, launch, mix
from support.page_commands import PageCommands, superuser_of
from support.restore import await_mails, feed, mailed, named
from support.smtp_server import Mailbox

PAGE = "how-to/fail-over.md"
_ATTACHED = "SELECT sync_state = 'quorum' FROM pg_stat_replication WHERE state = 'streaming'"
_HAS_ALL = "SELECT flush_lsn >= $1::text::pg_lsn FROM pg_stat_replication"


class Cluster(NamedTuple):
    primary: Postgres
    standby: CopiedPostgres
    page: PageCommands

    @property
    def url(self) -> str:
        """Of both servers, as the page says."""
        port = urlsplit(self.standby.url).port
        host = f"127.0.0.1:{urlsplit(self.primary.url).port}"
        return self.primary.url.replace(host, f"{host},127.0.0.1:{port}") + "?target_session_attrs=read-write"


@pytest.fixture
def cluster(private_postgres: Postgres) -> Iterator[Cluster]:
    """A primary with the schema, and a standby that follows it."""
    migrate(private_postgres.url)
    with copied(private_postgres) as standby:
        urls = {"PRIMARY_URL": superuser_of(private_postgres), "STANDBY_URL": superuser_of(standby)}
        page = database_administrator(PAGE, private_postgres, **urls, STANDBY_DATA=standby.data)
        page.run()
        standby.start()
        yield Cluster(private_postgres, standby, page)


@pytest.fixture
def load(cluster: Cluster, rabbitmq_url: str, redis_url: str, smtp: Mailbox) -> Iterator[Load]:
    urls = {"POSTGRES": cluster.url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url, "SMTP": smtp.url}
    with Platform({f"DUEBOOK_{name}_URL": url for name, url in urls.items()}) as platform:
        load = Load(platform)
        launch(platform, api=1, scheduler=1, executor=2, notifier=1)
        yield load


def mark(events: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [(event["stream"], event["version"], event["position"]) for event in events]


def test_a_synchronous_standby_takes_over_and_nothing_is_lost(load: Load, cluster: Cluster, smtp: Mailbox) -> None:
    cluster.page.run(2)
    eventually(lambda: superuser_says(cluster.primary, _ATTACHED))
    load.submit(named("mailed", mix(20)), held(6, "gate"))
    load.await_running(6, "gate")
    await_mails(load, smtp, 20)
    before, known = feed(load.platform), mailed(smtp)
    with load.submitting(mix(100), mix(100)):
        cluster.primary.kill()
        promoted = time.monotonic()
        cluster.page.run()
    print(f"accepted again {time.monotonic() - promoted:.1f} s after the order to promote")
    assert cluster.page.all_done()
    load.open("gate")
    load.check()
    assert {subject: mailed(smtp)[subject] for subject in known} == known
    assert mark(feed(load.platform)[: len(before)]) == mark(before)


def test_an_asynchronous_standby_forgets_only_the_end(load: Load, cluster: Cluster, smtp: Mailbox) -> None:
    load.submit(named("mailed", mix(20)), held(3, "gate"))
    load.await_running(3, "gate")
    await_mails(load, smtp, 20)
    before, known, expected = feed(load.platform), mailed(smtp), dict(load.expected)
    cluster.page.run()
    cluster.page.skip()  # how it becomes synchronous
    written = superuser_says(cluster.primary, "SELECT pg_current_wal_lsn()::text")
    eventually(lambda: superuser_says(cluster.primary, _HAS_ALL, written))
    cluster.standby.stop()
    lost = load.submit(mix(20), held(2, "lost gate"))
    load.await_running(2, "lost gate")
    load.open("gate")
    load.await_ended(43)
    position = feed(load.platform)[-1]["position"]
    cluster.primary.kill()
    cluster.standby.start()
    cluster.page.run()
    assert cluster.page.all_done()
    load.expected = expected
    load.open("lost gate")
    eventually(lambda: load.summary() != "no runs", 60)
    for job_id in lost:
        assert load.platform.api.get(f"/api/job/{job_id}").status_code == 404
    load.await_ended()
    assert {subject: mailed(smtp)[subject] for subject in known} == known
    assert mark(feed(load.platform)[: len(before)]) == mark(before)
    gone = load.platform.api.get(f"/api/events?after={position}")
    assert (gone.status_code, gone.json()["code"]) == (410, "position_gone")
    statuses = {run["job_id"]: run["status"] for run in load.listed_runs()}
    assert statuses == expected
    load.check_invariants()
