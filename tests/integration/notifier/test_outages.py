"""What a notifier does while PostgreSQL or RabbitMQ is away: it waits, loses nothing, and comes back by itself."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from duebook_common.integrity.migrate import migrate
from duebook_common.runtime.service import ServiceContext
from duebook_common.store.database import connect
from duebook_devstack.postgres import Postgres
from duebook_devstack.rabbitmq import RabbitMQ
from support import servers
from support.outcomes import Books, PostOffice, broker, notifier, starting_notifier


@pytest.fixture
def post() -> Iterator[PostOffice]:
    post = PostOffice()
    post.start()
    yield post
    post.stop()


async def mails(post: PostOffice, count: int) -> None:
    async with asyncio.timeout(60):
        while len(post.messages) < count:
            await asyncio.sleep(0.05)


async def rabbitmq_is(context: ServiceContext, *, ok: bool) -> None:
    async with asyncio.timeout(60):
        while ((await context.health.report())[1]["rabbitmq"] == "ok") is not ok:
            await asyncio.sleep(0.05)


async def test_outcomes_wait_while_postgresql_is_away(
    private_postgres: Postgres, post: PostOffice, rabbitmq_url: str, redis_url: str
) -> None:
    await asyncio.to_thread(migrate, private_postgres.url)
    async with connect(private_postgres.url, "test", size=2) as pool:
        success = await Books(pool).succeeded(await Books(pool).run())
        dead = await Books(pool).failed(await Books(pool).run())
    async with (
        notifier(private_postgres.url, rabbitmq_url, redis_url, post.url) as context,
        broker(rabbitmq_url) as rabbit,
    ):
        await asyncio.to_thread(private_postgres.stop)
        await rabbit.publish(success.encode())
        await rabbit.publish(dead.encode())
        async with asyncio.timeout(60):
            while (await context.health.report())[1]["postgres"] == "ok":
                await asyncio.sleep(0.05)
        await asyncio.to_thread(private_postgres.start)
        await mails(post, 2)


async def test_a_rabbitmq_that_comes_late_or_without_its_data_is_taken_as_it_is(
    private_rabbitmq: RabbitMQ, post: PostOffice, postgres_url: str, redis_url: str
) -> None:
    await asyncio.to_thread(private_rabbitmq.stop)
    url = private_rabbitmq.url
    async with connect(postgres_url, "test", size=2) as pool:
        first = await Books(pool).succeeded(await Books(pool).run())
        second = await Books(pool).succeeded(await Books(pool).run("second@example.com"))
    async with starting_notifier(postgres_url, url, redis_url, post.url) as context:
        await rabbitmq_is(context, ok=False)
        await asyncio.to_thread(private_rabbitmq.start)
        await rabbitmq_is(context, ok=True)
        async with broker(url) as rabbit:
            await rabbit.publish(first.encode())
            await mails(post, 1)
        await asyncio.to_thread(private_rabbitmq.kill)
        shutil.rmtree(private_rabbitmq.directory / "mnesia")
        await asyncio.to_thread(private_rabbitmq.start)
        await rabbitmq_is(context, ok=True)
        post.replies["second@example.com"] = [
            "550 no such user"
        ] * 20  # also of the tries before the broker takes dead letters
        async with broker(url) as rabbit:
            await rabbit.publish(second.encode())
            assert (await rabbit.dead_letter()).headers["recipient"] == "second@example.com"


async def test_a_lost_connection_sends_no_mail_twice(
    post: PostOffice, postgres_url: str, rabbitmq_url: str, redis_url: str
) -> None:
    held, go_on = asyncio.Event(), asyncio.Event()
    post.hold(held, go_on)
    async with connect(postgres_url, "test", size=2) as pool:
        first = await Books(pool).succeeded(await Books(pool).run())
        second = await Books(pool).succeeded(await Books(pool).run("second@example.com"))
    async with notifier(postgres_url, rabbitmq_url, redis_url, post.url):
        cut = await asyncio.to_thread(connections, rabbitmq_url)
        async with broker(rabbitmq_url) as rabbit:
            await rabbit.publish(first.encode())
            await held.wait()
            await asyncio.to_thread(cut)
            await rabbit.publish(second.encode())
            await mails(post, 1)  # consuming again, and the first outcome has come a second time
            go_on.set()
            await mails(post, 2)
    assert post.to() == ["ops@example.com", "second@example.com"]
    async with broker(rabbitmq_url) as rabbit:
        assert await rabbit.is_empty()


def connections(rabbitmq_url: str) -> Callable[[], None]:
    """Wait until the broker lists the notifier's two connections; the answer ends them from the broker's side."""
    url = urlsplit(rabbitmq_url)
    user, management = (url.username or "", url.password or ""), servers.shared_rabbitmq()["management_url"]
    with httpx2.Client(auth=user, base_url=management) as api:
        deadline = time.monotonic() + 30
        while len(found := api.get(f"/api/vhosts{url.path}/connections").json()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def cut() -> None:
        with httpx2.Client(auth=user, base_url=management) as api:
            for connection in found:
                api.delete(f"/api/connections/{quote(connection['name'], safe='')}").raise_for_status()

    return cut
