"""The database moves to another cluster by logical replication, by the commands of the page, while services work."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from duebook_common.integrity.migrate import migrate
from duebook_devstack.postgres import Postgres
from support import servers
from support.fleet import Platform, eventually
from support.load import Load, launch, mix
from support.page_commands import PageCommands, superuser_of
from support.restore import await_mails, begin, feed, mailed, named, servers_beside, spend_transaction_ids
from support.smtp_server import Mailbox

PAGE = "how-to/move-to-another-cluster.md"
_NEWEST_IS_LAST = """
SELECT position = (SELECT max(position) FROM events) AS yes FROM events ORDER BY xid DESC, position DESC LIMIT 1
"""


@pytest.fixture
def new_postgres() -> Iterator[Postgres]:
    with servers.private(lambda stack_dir: Postgres(stack_dir, no_fsync=True)) as server:
        yield server


@pytest.fixture
def page(private_postgres: Postgres, new_postgres: Postgres) -> PageCommands:
    """The page, done as far as the old cluster can replicate; it has spent more transaction ids than the new one."""
    migrate(private_postgres.url)
    asyncio.run(spend_transaction_ids(private_postgres.url))
    urls = {
        "OLD_SUPERUSER_URL": superuser_of(private_postgres),
        "NEW_SUPERUSER_URL": superuser_of(new_postgres),
        "DUEBOOK_POSTGRES_URL": private_postgres.url,
        "NEW_POSTGRES_URL": new_postgres.url,
    }
    page = PageCommands(PAGE, urls, programs=private_postgres.programs)
    page.run()
    private_postgres.restart()
    return page


def test_a_moved_database_goes_on_and_repeats_no_mail(
    page: PageCommands,
    private_postgres: Postgres,
    new_postgres: Postgres,
    rabbitmq_url: str,
    redis_url: str,
    smtp: Mailbox,
) -> None:
    environment = servers_beside(rabbitmq_url, redis_url, smtp)
    with Platform({**environment, "DUEBOOK_POSTGRES_URL": private_postgres.url}) as before:
        load = begin(before)
        page.run()
        load.submit(named("meanwhile", mix(20)))
        await_mails(load, smtp, 40)
        eventually(lambda: page.repeat() == "0\n", 60)
        page.skip()
        before["scheduler", 0].kill()
        load.submit(named("unsent", mix(5)))
        events, known, expected = feed(before), mailed(smtp), dict(load.expected)
        for service in before.services.values():
            service.kill()
    page.run(2)
    assert page.all_done()
    with Platform({**before.environment, "DUEBOOK_POSTGRES_URL": new_postgres.url}) as after:
        moved = Load(after)
        moved.expected = expected
        launch(after, api=1, scheduler=1, executor=1, notifier=1)
        moved.open("gate")
        moved.await_ended()
        assert {run["job_id"]: run["status"] for run in moved.listed_runs()} == expected
        eventually(lambda: len(mailed(smtp)) == 45, 60, lambda: str(mailed(smtp)))
        assert {subject: mailed(smtp)[subject] for subject in known} == known
        assert Counter(e["stream"] for e in feed(after)[: len(events)]) == Counter(e["stream"] for e in events)
        gone = after.api.get(f"/api/events?after={events[-1]['position']}")
        assert (gone.status_code, gone.json()["code"]) == (410, "position_gone")
        assert moved.query(_NEWEST_IS_LAST)[0]["yes"]
        moved.check_invariants()
