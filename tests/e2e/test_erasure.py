"""After an erasure nothing of the contents is left: in tables, archives, messages and their store, Redis, and logs."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from redis import Redis as RedisClient
from yarl import URL

from duebook_common.archives.targets import open_target
from duebook_common.integrity.verify import verify
from duebook_common.store.database import connect, transaction
from duebook_common.store.partitions import open_period, periods
from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.rabbitmq import RabbitMQ
from duebook_devstack.stack import Stack
from support.amqp import on_channel
from support.contents import tables_with
from support.fleet import Platform, eventually
from support.secret_archives import faults, files_with
from support.smtp_server import Mailbox

SECRET = "jane.doe.7f3a@example.org"
_ENDS = {"succeeds": "succeeded", "fails": "dead_lettered", "raises": "dead_lettered", "hangs": "dead_lettered"}
_NOT_ERASED = "SELECT count(*) FROM runs WHERE erased_at IS NULL"
_BEHIND = """
SELECT count(*) FROM checkpoints
WHERE (xid, position) < (SELECT xid, position FROM events ORDER BY xid DESC, position DESC LIMIT 1)
"""
_NOTIFY = {"to": [SECRET], "on": ["succeeded", "dead_lettered"]}


@pytest.fixture
def duebook(stack: Stack, smtp: Mailbox, tmp_path: Path) -> Iterator[Platform]:
    """Services on servers of their own, a mail server that refuses the recipient by name, and a folder for archives."""
    smtp.answer = f"550 5.1.1 <{SECRET}> is unknown here"
    own = {"DUEBOOK_SMTP_URL": smtp.url, "DUEBOOK_TASKS": "secret_tasks", "DUEBOOK_ARCHIVE_URL": str(tmp_path)}
    with Platform(stack.environment | own | {"DUEBOOK_LOG_LEVEL": "debug"}) as platform:
        platform.start_all()
        yield platform


def test_nothing_of_what_was_erased_is_left_anywhere(duebook: Platform, stack: Stack, tmp_path: Path) -> None:
    if (now := datetime.now(UTC)) < now.replace(day=1, hour=2, minute=0):
        pytest.skip("the period of this test lies at the begin of a month, and must be an hour old")
    before, after = jobs_with_secrets(duebook), jobs_with_secrets(duebook)
    url = stack.postgres.url
    assert {"events", "runs", "jobs", "log_lines", "mails"} <= asyncio.run(tables(url))
    refuse_a_request(duebook)
    erase(duebook, before)
    eventually(lambda: asyncio.run(value(url, _NOT_ERASED)) == len(after))
    asyncio.run(end_period(url))
    duebook.start("scheduler")  # its sweeper looks at once
    eventually(lambda: asyncio.run(value(url, _BEHIND)) == 0, 60)
    duebook.start("scheduler", DUEBOOK_RETENTION="PT1H")
    eventually(lambda: duebook.get("/api/system")["archives"]["count"] == 1, 150)
    assert asyncio.run(files(tmp_path)) != []
    erase(duebook, after)
    duebook.start("scheduler")  # its first pass over the archives comes at once
    eventually(lambda: asyncio.run(tables(url)) == set() and asyncio.run(files(tmp_path)) == [], 60)
    for service in duebook.services.values():
        service.stop()
    assert asyncio.run(what_verify_finds(url, tmp_path)) == []
    assert messages_with_secret(stack) == []
    assert redis_has_secret(stack.redis.url) is False
    assert logs_with_secret(duebook, stack) == {}


def jobs_with_secrets(duebook: Platform) -> list[str]:
    """Jobs whose runs have ended in each way, with the secret wherever a client, a task or a mail server can put it."""
    specs: list[dict[str, Any]] = [
        {
            "task": "secret", "payload": {"text": SECRET, "end": end}, "max_retries": 0,
            "timeout": "PT1S" if end == "hangs" else "PT5M",
        }
        for end in _ENDS
    ]  # fmt: skip
    mail = {"to": SECRET, "subject": SECRET, "text": SECRET}
    specs.append({"task": "email.send", "payload": mail, "max_retries": 0})
    specs.append({"task": "http.request", "payload": {"url": f"http://127.0.0.1/{SECRET}"}, "max_retries": 0})
    jobs = [duebook.create(metadata={"of": SECRET}, notify=_NOTIFY, **spec) for spec in specs]
    for job, status in zip(jobs, [*_ENDS.values(), "dead_lettered", "dead_lettered"], strict=True):
        run = duebook.await_run(job["id"], status)
        eventually(lambda: duebook.get(f"/api/notification?run_id={run['id']}&status=given_up")["items"])  # noqa: B023
        if status == "dead_lettered":
            body = {"reason": "erased next"}
            duebook.api.post(f"/api/dead-letter/{run['id']}/discard", json=body).raise_for_status()
    return [job["id"] for job in jobs]


def refuse_a_request(duebook: Platform) -> None:
    """Requests that are refused leave nothing either."""
    for body in ({"name": "x", "recurrence": SECRET}, {"name": "x", "payload": {"to": f"\0{SECRET}"}}):
        assert duebook.api.post("/api/job", json=body).status_code == 422


def erase(duebook: Platform, job_ids: list[str]) -> None:
    """A scheduler erases the runs that are in the database within some seconds."""
    for job_id in job_ids:
        assert duebook.api.delete(f"/api/job/{job_id}").status_code in {204, 410}
        duebook.api.post(f"/api/job/{job_id}/erase", json={"reason": "request 7"}).raise_for_status()


async def end_period(url: str) -> None:
    """Open the next period, by the name of a time more than an hour ago."""
    async with connect(url, "tests", 2) as pool, transaction(pool) as db:
        assert await open_period(db, (await periods(db))[-1].born + timedelta(minutes=1))


async def value(url: str, statement: str) -> Any:
    async with connect(url, "tests", 2) as pool:
        return await pool.fetchval(statement)


async def tables(url: str) -> set[str]:
    async with connect(url, "tests", 2) as pool:
        return await tables_with(pool, SECRET)


async def files(folder: Path) -> list[str]:
    return await files_with(open_target(str(folder)), SECRET)


async def what_verify_finds(url: str, folder: Path) -> list[Any]:
    async with connect(url, "tests", 3) as pool:
        return [*(await verify(pool)).breaches, *await faults(pool, open_target(str(folder)))]


def messages_with_secret(stack: Stack) -> list[str]:
    """What of RabbitMQ has the secret: messages of any queue, and files of its store."""
    assert isinstance(stack.rabbitmq, RabbitMQ)
    server, url = stack.rabbitmq, URL(stack.rabbitmq.url)
    with httpx2.Client(
        auth=(url.user or "", url.password or ""), base_url=server.management_url, verify=WITHOUT_TLS
    ) as api:
        queues = [queue["name"] for queue in api.get("/api/queues").raise_for_status().json()]
    assert {"duebook.runs.default", "duebook.notifications.dead-letters"} <= {*queues}
    read = on_channel(server.url, lambda channel: all_messages(channel, queues))
    assert any(queue == "duebook.notifications.dead-letters" for queue, _ in read)
    found = [queue for queue, message in read if SECRET in f"{message.body!r} {message.headers} {message.message_id}"]
    store = [path for path in server.directory.rglob("*") if path.is_file()]
    assert store
    return found + [str(path) for path in store if SECRET.encode() in path.read_bytes()]


async def all_messages(channel: AbstractChannel, queues: list[str]) -> list[tuple[str, AbstractIncomingMessage]]:
    read = []
    for name in queues:
        queue = await channel.get_queue(name)
        while (message := await queue.get(fail=False)) is not None:
            read.append((name, message))
    return read


def redis_has_secret(url: str) -> bool:
    """Whether a key or a value of Redis has it, by the file that Redis writes."""
    client = RedisClient.from_url(url)
    try:
        client.config_set("rdbcompression", "no")
        client.save()
        settings: Any = client.config_get("*")
        return SECRET.encode() in (Path(settings["dir"]) / settings["dbfilename"]).read_bytes()
    finally:
        client.close()


def logs_with_secret(duebook: Platform, stack: Stack) -> dict[str, list[str]]:
    """The lines with the secret, by the log of each service and server."""
    logs = [service.log for service in duebook.services.values()]
    assert all(log.stat().st_size for log in logs)
    logs += [stack.stack_dir.log(server.name) for server in (stack.postgres, stack.redis, stack.rabbitmq)]
    lines = {log.name: log.read_text("utf-8", "replace").splitlines() for log in logs}
    found = {name: [line for line in each if SECRET in line] for name, each in lines.items()}
    return {name: each for name, each in found.items() if each}
