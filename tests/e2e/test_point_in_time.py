"""A base backup and the archived log bring back a moment, by the commands of the page, beside a broker of today."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from duebook_common.integrity.migrate import migrate
from duebook_devstack.postgres import Postgres
from support.clusters import CopiedPostgres, copied, database_administrator, superuser_says
from support.fleet import Platform, eventually
from support.load import Load, held, launch, mix
from support.page_commands import PageCommands, superuser_of
from support.restore import await_mails, begin, feed, mailed, named, servers_beside
from support.smtp_server import Mailbox

PAGE = "how-to/back-up-and-restore.md"


@pytest.fixture
def restored(private_postgres: Postgres) -> Iterator[CopiedPostgres]:
    """A server that the page is to bring back; it is not started yet."""
    migrate(private_postgres.url)
    with copied(private_postgres) as server:
        yield server


@pytest.fixture
def page(private_postgres: Postgres, restored: CopiedPostgres) -> PageCommands:
    """The page, done as far as the log is archived."""
    directory = restored.directory
    archive = directory / "archive"
    archive.mkdir()
    if restored.account:
        restored.account.own(archive)
    where: dict[str, str | Path] = {"BACKUP": directory / "backup", "ARCHIVE": archive, "RESTORED_DATA": restored.data}
    page = database_administrator(PAGE, private_postgres, SUPERUSER_URL=superuser_of(private_postgres), **where)
    page.run()
    private_postgres.restart()
    return page


def archived(postgres: Postgres) -> None:
    """Wait until the log that was written until now is in the archive."""
    last = superuser_says(postgres, "SELECT pg_walfile_name(pg_switch_wal())")
    eventually(lambda: superuser_says(postgres, "SELECT last_archived_wal >= $1 FROM pg_stat_archiver", last), 60)


def test_a_restored_moment_forgets_what_came_after_and_no_more(
    page: PageCommands, private_postgres: Postgres, restored: CopiedPostgres, rabbitmq_url: str, redis_url: str,
    smtp: Mailbox,
) -> None:  # fmt: skip
    environment = servers_beside(rabbitmq_url, redis_url, smtp)
    with Platform({**environment, "DUEBOOK_POSTGRES_URL": private_postgres.url}) as before:
        load = begin(before)
        page.run()
        load.submit(named("later", mix(10)))
        await_mails(load, smtp, 30)
        events, known, expected = feed(before), mailed(smtp), dict(load.expected)
        page.environment["POINT_IN_TIME"] = str(superuser_says(private_postgres, "SELECT clock_timestamp()"))
        lost = load.submit(mix(10), held(2, "lost gate"))
        load.await_running(2, "lost gate")
        load.await_ended(40)
        position = feed(before)[-1]["position"]
        archived(private_postgres)
        for service in before.services.values():
            service.kill()
    private_postgres.kill()
    page.run()
    assert page.all_done()
    restored.start()
    eventually(lambda: not superuser_says(restored, "SELECT pg_is_in_recovery()"), 60)
    with Platform({**before.environment, "DUEBOOK_POSTGRES_URL": restored.url}) as after:
        again = Load(after)
        again.expected = expected
        launch(after, api=1, scheduler=1, executor=1, notifier=1)
        for gate in ("gate", "lost gate"):
            again.open(gate)
        again.await_ended()
        assert {run["job_id"]: run["status"] for run in again.listed_runs()} == expected
        assert all(after.api.get(f"/api/job/{job_id}").status_code == 404 for job_id in lost)
        assert {subject: mailed(smtp)[subject] for subject in known} == known
        assert [e["position"] for e in feed(after)[: len(events)]] == [e["position"] for e in events]
        gone = after.api.get(f"/api/events?after={position}")
        assert (gone.status_code, gone.json()["code"]) == (410, "position_gone")
        again.check_invariants()
