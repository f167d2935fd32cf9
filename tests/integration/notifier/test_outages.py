"""PostgreSQL, RabbitMQ or a connection fails: the notifier waits, loses no outcome and recovers by itself."""

import asyncio
import shutil
import time
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import httpx2

from duebook_common.integrity.migrate import migrate
from duebook_common.runtime.service import ServiceContext
from duebook_common.store.database import connect
from duebook_devstack.plain_http import WITHOUT_TLS
from duebook_devstack.postgres import Postgres
from duebook_devstack.rabbitmq import RabbitMQ
from support import servers
from support.outcomes import MailServer, OutcomeFactory, StartNotifier, broker, notifier, starting_notifier


async def await_mails(smtp: MailServer, count: int) -> None:
    async with asyncio.timeout(60):
        while len(smtp.messages) < count:
            await asyncio.sleep(0.05)


async def await_health(context: ServiceContext, component: str, *, ok: bool) -> None:
    async with asyncio.timeout(60):
        while ((await context.health.report())[1][component] == "ok") is not ok:
            await asyncio.sleep(0.05)


async def test_outcomes_wait_while_postgresql_is_unavailable(
    private_postgres: Postgres, smtp: MailServer, rabbitmq_url: str, redis_url: str
) -> None:
    await asyncio.to_thread(migrate, private_postgres.url)
    async with connect(private_postgres.url, "test", size=2) as pool:
        outcomes = OutcomeFactory(pool)
        success = await outcomes.succeeded(await outcomes.run())
        dead = await outcomes.failed(await outcomes.run())
    async with (
        notifier(private_postgres.url, rabbitmq_url, redis_url, smtp.url) as context,
        broker(rabbitmq_url) as rabbit,
    ):
        await asyncio.to_thread(private_postgres.stop)
        await rabbit.publish(success.encode())
        await rabbit.publish(dead.encode())
        await await_health(context, "postgres", ok=False)
        await asyncio.to_thread(private_postgres.start)
        await await_mails(smtp, 2)


async def test_the_notifier_accepts_a_rabbitmq_that_starts_late_or_lost_its_data(
    private_rabbitmq: RabbitMQ, outcomes: OutcomeFactory, smtp: MailServer, postgres_url: str, redis_url: str
) -> None:
    await asyncio.to_thread(private_rabbitmq.stop)
    url = private_rabbitmq.url
    first = await outcomes.succeeded(await outcomes.run())
    second = await outcomes.succeeded(await outcomes.run("second@example.com"))
    late = asyncio.create_task(asyncio.to_thread(private_rabbitmq.start))
    async with starting_notifier(postgres_url, url, redis_url, smtp.url) as context:
        await late
        await await_health(context, "rabbitmq", ok=True)
        async with broker(url) as rabbit:
            await rabbit.publish(first.encode())
            await await_mails(smtp, 1)
        await asyncio.to_thread(private_rabbitmq.kill)
        shutil.rmtree(private_rabbitmq.directory / "mnesia")
        await asyncio.to_thread(private_rabbitmq.start)
        await await_health(context, "rabbitmq", ok=True)
        # enough for the tries before the broker accepts dead letters
        smtp.replies["second@example.com"] = ["550 no such user"] * 1000
        async with broker(url) as rabbit:
            await rabbit.publish(second.encode())
            assert (await rabbit.dead_letter()).headers["run_id"] == str(second.run_id)


async def test_a_lost_connection_sends_no_mail_twice(
    outcomes: OutcomeFactory, smtp: MailServer, start_notifier: StartNotifier, rabbitmq_url: str
) -> None:
    received, resume = asyncio.Event(), asyncio.Event()
    smtp.hold(received, resume)
    first = await outcomes.succeeded(await outcomes.run())
    second = await outcomes.succeeded(await outcomes.run("second@example.com"))
    async with start_notifier():
        close_connections = await asyncio.to_thread(await_connections, rabbitmq_url)
        async with broker(rabbitmq_url) as rabbit:
            await rabbit.publish(first.encode())
            await received.wait()
            await asyncio.to_thread(close_connections)
            await rabbit.publish(second.encode())
            await await_mails(smtp, 1)  # the notifier consumes again, and the first outcome was redelivered
            resume.set()
            await await_mails(smtp, 2)
    assert smtp.to() == ["ops@example.com", "second@example.com"]
    async with broker(rabbitmq_url) as rabbit:
        assert await rabbit.is_empty()


def await_connections(rabbitmq_url: str) -> Callable[[], None]:
    """Wait until the broker lists the notifier's two connections; returns a function that has it close them."""
    url = urlsplit(rabbitmq_url)
    user, management = (url.username or "", url.password or ""), servers.shared_rabbitmq()["management_url"]
    with httpx2.Client(auth=user, base_url=management, timeout=60, verify=WITHOUT_TLS) as api:
        deadline = time.monotonic() + 30
        while len(found := api.get(f"/api/vhosts{url.path}/connections").json()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def close() -> None:
        with httpx2.Client(auth=user, base_url=management, timeout=60, verify=WITHOUT_TLS) as api:
            for connection in found:
                api.delete(f"/api/connections/{quote(connection['name'], safe='')}").raise_for_status()

    return close
