"""A dump that is loaded into another cluster, where transaction ids begin anew."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.postgres import Postgres
from support import servers
from support.fleet import Platform, eventually
from support.load import Load, held
from support.program import Program
from support.restore import await_mails, copy, feed, mailed, spend_transaction_ids
from support.smtp_server import Mailbox


def not_ready(platform: Platform, kind: str) -> str:
    """What the service says is amiss, once it answers."""

    def components() -> Any:
        try:
            answer = httpx2.get(f"{platform[kind, 0].url}/readyz", trust_env=False, verify=WITHOUT_TLS)
        except httpx2.TransportError:
            return None
        shown = answer.json()["components"]
        return shown if answer.status_code == 503 and "log" in shown else None

    shown: dict[str, str] = eventually(components)
    return shown["log"]


@pytest.fixture
def restored(platform: Platform, private_postgres: Postgres, smtp: Mailbox) -> tuple[list[str], str]:
    """Streams of a log that was dumped and loaded into another cluster, and a position in it.

    One run was mailed. The other succeeded while no relay was there, so its mail is still to be sent.
    """
    url = platform.environment["DUEBOOK_POSTGRES_URL"]
    asyncio.run(spend_transaction_ids(url))
    load, notify = Load(platform), {"to": ["ops@example.com"]}
    platform.start_all(DUEBOOK_TASKS="e2e_tasks", TESTS_EFFECTS=str(load.directory))
    early = platform.create(name="early", notify=notify)
    [gated] = held(1, "gate")
    late = platform.create(**gated.job | {"name": "late", "notify": notify})
    platform.await_run(early["id"], "succeeded")
    platform.await_run(late["id"], "running")
    await_mails(load, smtp, 1)
    platform["scheduler", 0].kill()
    load.open("gate")
    platform.await_run(late["id"], "succeeded")
    events = eventually(lambda: found if len(found := feed(platform)) >= 8 else None)
    for kind in ("api", "executor", "notifier"):
        platform[kind, 0].kill()
    copy(url, private_postgres.url)
    return [event["stream"] for event in events], events[-1]["position"]


def test_a_restored_log_goes_on_once_it_is_rebased(
    platform: Platform, private_postgres: Postgres, smtp: Mailbox, restored: tuple[list[str], str]
) -> None:
    """Without the command the services say what is missing. With it every mail is sent once, and the feed complete."""
    streams, position = restored
    environment = {**platform.environment, "DUEBOOK_POSTGRES_URL": private_postgres.url}
    duebook = Program(environment)
    verified = duebook("verify")
    assert verified.exit_code == 1
    assert "checkpoint relay" in verified.stdout
    assert "duebook rebase-log" in verified.stderr
    with servers.vhost(f"test_{uuid4().hex}") as broker:
        environment["DUEBOOK_RABBITMQ_URL"] = broker
        with Platform(environment) as unready:
            for kind in ("api", "scheduler"):
                unready.launch(kind, 1, {})
            for kind in ("api", "scheduler"):
                assert "run: duebook rebase-log" in not_ready(unready, kind)
        for rebased in (True, False):
            printed = duebook("rebase-log")
            assert printed.exit_code == 0, printed.stderr
            assert ("nothing had to be done" in printed.stderr) is not rebased
        assert duebook("verify").exit_code == 0
        with Platform(environment) as anew:
            anew.start_all()
            again = anew.create(name="again", notify={"to": ["ops@example.com"]})
            anew.await_run(again["id"], "succeeded")
            eventually(lambda: len(smtp.messages) >= 3, explain=lambda: str(mailed(smtp)))
            assert mailed(smtp) == {f"[Duebook] {name} succeeded": 1 for name in ("early", "late", "again")}
            eventually(lambda: len(feed(anew)) >= len(streams) + 4)
            assert Counter(event["stream"] for event in feed(anew)[: len(streams)]) == Counter(streams)
            gone = anew.api.get(f"/api/events?after={position}")
            assert (gone.status_code, gone.json()["code"]) == (410, "position_gone")
            assert "Resume" in gone.json()["detail"]
    assert duebook("verify").exit_code == 0
