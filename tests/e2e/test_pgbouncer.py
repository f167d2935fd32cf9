"""All services through PgBouncer in transaction mode, with the settings of the page."""

from collections.abc import Iterator

import pytest

from duebook_common.integrity.migrate import migrate
from duebook_devstack.postgres import Postgres
from support import pgbouncer
from support.fleet import Platform
from support.load import Load, held, launch, mix
from support.page_commands import PageCommands, superuser_of
from support.restore import await_mails, mailed, named
from support.smtp_server import Mailbox


@pytest.fixture
def load(private_postgres: Postgres, rabbitmq_url: str, redis_url: str, smtp: Mailbox) -> Iterator[Load]:
    if why := pgbouncer.missing():
        pytest.skip(why)
    migrate(private_postgres.url)
    urls = {"SUPERUSER_URL": superuser_of(private_postgres)}
    PageCommands(pgbouncer.PAGE, urls, programs=private_postgres.programs).run()
    with pgbouncer.pooled(private_postgres) as pooler:
        named_urls = {"POSTGRES": pooler.url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url, "SMTP": smtp.url}
        with Platform({f"DUEBOOK_{name}_URL": url for name, url in named_urls.items()}) as platform:
            load = Load(platform)
            launch(platform, api=1, scheduler=2, executor=2, notifier=1)
            yield load


def test_nothing_is_lost_or_repeated_through_a_pooler(load: Load, smtp: Mailbox) -> None:
    """An executor dies meanwhile: without a sign of life its leases decide."""
    load.submit(named("mailed", mix(20)), held(6, "gate"), mix(200))
    load.await_running(6, "gate")
    with load.submitting(mix(100), mix(100)):
        load.platform["executor", 1].kill()
    load.open("gate")
    load.check()
    await_mails(load, smtp, 20)
    assert set(mailed(smtp).values()) == {1}
    bounds = {row["name"]: row["setting"] for row in load.query("SELECT name, setting FROM pg_settings")}
    assert (bounds["statement_timeout"], bounds["lock_timeout"]) == ("15000", "5000")
    assert (bounds["idle_in_transaction_session_timeout"], bounds["jit"]) == ("15000", "off")
    assert bounds["max_parallel_workers_per_gather"] == "0"
