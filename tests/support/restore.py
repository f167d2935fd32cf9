"""A database that is dumped and loaded into another cluster, as an operator restores it."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg

from support import servers
from support.fleet import Platform, eventually
from support.load import JobSpec, Load, held, launch, mix
from support.smtp_server import Mailbox

_SPENT = 5_000  # transaction ids: more than a new cluster spends on the load of a dump


async def spend_transaction_ids(url: str) -> None:
    connection = await asyncpg.connect(url)
    for _ in range(_SPENT):
        await connection.execute("SELECT pg_current_xact_id()")
    await connection.close()


def copy(source: str, target: str) -> None:
    dump = str(servers.private_path() / "duebook.dump")
    for command in (
        ["pg_dump", "--format=custom", f"--file={dump}", source],
        ["pg_restore", "--no-owner", f"--dbname={target}", dump],
    ):
        subprocess.run(command, check=True, capture_output=True)


def mailed(smtp: Mailbox) -> Counter[str]:
    return Counter(message["subject"] for message in smtp.messages)


_NOTIFY = {"to": ["ops@example.com"], "on": ["succeeded", "dead_lettered"]}


def named(prefix: str, specs: Sequence[JobSpec]) -> list[JobSpec]:
    """The same jobs with names of their own, which tell their mails apart."""
    own = [{"name": f"{prefix} {n}", "notify": _NOTIFY} for n in range(len(specs))]
    return [replace(spec, job=spec.job | each) for spec, each in zip(specs, own, strict=True)]


def servers_beside(rabbitmq_url: str, redis_url: str, smtp: Mailbox) -> dict[str, str]:
    """The variables of services, but for their database."""
    return {"DUEBOOK_RABBITMQ_URL": rabbitmq_url, "DUEBOOK_REDIS_URL": redis_url, "DUEBOOK_SMTP_URL": smtp.url}


def begin(platform: Platform) -> Load:
    """A service of each kind, with twenty jobs whose ends are mailed, and with three runs held at a gate."""
    load = Load(platform)
    launch(platform, api=1, scheduler=1, executor=1, notifier=1)
    load.submit(named("mailed", mix(20)), held(3, "gate"))
    load.await_running(3, "gate")
    return load


def feed(platform: Platform) -> list[dict[str, Any]]:
    """All events that the feed delivers now."""
    items: list[dict[str, Any]] = []
    while (page := platform.get(f"/api/events?limit=200{_after(items)}"))["items"]:
        items += page["items"]
    return items


def _after(items: list[dict[str, Any]]) -> str:
    return f"&after={items[-1]['position']}" if items else ""


def await_mails(load: Load, smtp: Mailbox, count: int) -> None:
    """Wait until so many mails were sent, and are recorded as sent."""
    eventually(lambda: len(smtp.messages) >= count, 60, lambda: str(mailed(smtp)))
    eventually(lambda: load.query("SELECT count(*) AS n FROM mails WHERE status = 'sent'")[0]["n"] >= count, 60)
