"""The executor's wiring: the only place that knows all its parts."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
import uuid_utils.compat as uuids

from duebook.tasks import Registry, TaskError, load
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.loops import run_every
from duebook_common.runtime.redis_locks import RunLocks, redis_client
from duebook_common.runtime.service import ServiceContext
from duebook_common.runtime.smtp import smtp_server
from duebook_common.store.database import Clock, connect
from duebook_common.store.job_handling import Actor
from duebook_executor.attempts import Attempts
from duebook_executor.builtin.amqp_publish import AmqpPublisher
from duebook_executor.builtin.catalogue import catalogue
from duebook_executor.builtin.email_send import Mailer
from duebook_executor.consumer import Consumer
from duebook_executor.deliveries import Deliveries
from duebook_executor.heartbeat import Heartbeat
from duebook_executor.queries import ExecutorQueries
from duebook_executor.settings import ExecutorSettings

log = structlog.stdlib.get_logger("executor")

_WATCH_PAUSE, _REGISTER_PAUSE = timedelta(seconds=0.5), timedelta(minutes=5)


def tasks(settings: ExecutorSettings, exchanges: AmqpPublisher) -> Registry:
    """The tasks that this executor knows; ends the process with one line where a module cannot be had."""
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - a user's modules stand where the executor is started
    try:
        load(settings.tasks)
        secrets = [each.get_secret_value() for each in settings.webhook_secrets]
        return catalogue(settings.http_allow, secrets, exchanges, _mailer(settings))
    except TaskError as error:
        print(f"duebook: DUEBOOK_TASKS is wrong: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None


def _mailer(settings: ExecutorSettings) -> Mailer | None:
    url = settings.smtp_url
    return None if url is None else Mailer(smtp_server(url.get_secret_value()), settings.mail_from)


@asynccontextmanager
async def lifespan(registry: Registry, exchanges: AmqpPublisher, context: ServiceContext) -> AsyncIterator[None]:
    """Connect, consume; on the way out close the tap, let attempts finish, hand back the rest."""
    settings = context.settings
    assert isinstance(settings, ExecutorSettings)
    clock = Clock()
    # Unlike any other process or start: a name that comes twice would make a dead executor look alive.
    actor = Actor(f"executor {socket.gethostname()}/{uuids.uuid7()}")
    hints, wake = Hints(settings.redis_url.get_secret_value()), asyncio.Event()
    client = redis_client(settings.redis_url.get_secret_value())
    async with connect(settings.postgres_url.get_secret_value(), "executor") as pool, hints, client:
        await clock.measure(pool)
        books, locks = ExecutorQueries(pool), RunLocks(client, actor.name, settings.lease)
        attempts = Attempts(pool, clock, locks, books, registry, actor, settings.lease, hints.wake)
        deliveries = Deliveries(pool, clock, books, attempts, actor, settings.concurrency, settings.lease)
        consumer = Consumer(
            settings.rabbitmq_url.get_secret_value(), settings.queues, settings.concurrency, deliveries.receive
        )

        async def register() -> int:
            await books.register(registry.registered().values())
            return 0

        context.health.checks = {"postgres": lambda: pool.fetchval("SELECT 1"), "rabbitmq": consumer.check}
        context.loops.start("clock", clock.keep(pool))
        context.loops.start("cancel hints", hints.listen_cancels(lambda _: wake.set()))
        watch = Heartbeat(attempts, books, locks, settings.lease)
        # Once the database is back there is one lease in which to say that we live.
        longest = settings.lease.total_seconds() / 6
        context.loops.start("watch", run_every("watch", _WATCH_PAUSE, watch.step, wake, longest))
        context.loops.start("register", run_every("register", _REGISTER_PAUSE, register))
        await consumer.start()
        try:
            yield
        finally:
            await consumer.stop_consuming()
            await deliveries.stop()
            await _drain(attempts, settings.grace)
            await consumer.close()
            await exchanges.close()
            await context.loops.stop()


async def _drain(attempts: Attempts, grace: timedelta) -> None:
    """Wait for what runs, then hand back what does not end in time: released, not charged."""
    deadline = asyncio.get_running_loop().time() + grace.total_seconds()
    while attempts.running and (left := deadline - asyncio.get_running_loop().time()) > 0:
        await asyncio.wait([attempt.task for attempt in attempts.running.values()], timeout=left)
    rest = list(attempts.running.values())
    for attempt in rest:
        attempt.released = True
        attempt.stop()
    if rest:
        log.info("attempts handed back", count=len(rest))
        await asyncio.wait([attempt.task for attempt in rest], timeout=5)
