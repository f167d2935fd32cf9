"""The notifier's wiring: the only module that knows all its parts."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from duebook_common.broker.startup import connect_when_available
from duebook_common.runtime.loops import Loops, run_every
from duebook_common.runtime.redis_check import check_redis
from duebook_common.runtime.redis_locks import redis_client
from duebook_common.runtime.service import ServiceContext
from duebook_common.runtime.smtp import smtp_server
from duebook_common.runtime.telemetry import LOCKS, NOTIFICATIONS, show_at_zero
from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool, acquire
from duebook_common.store.mails_owed import set_default_recipients
from duebook_common.store.resilience import retry_while_unavailable
from duebook_common.store.services import present
from duebook_common.store.startup import open_database
from duebook_notifier.consumer import Consumer
from duebook_notifier.dead_letters import DeadLetterPublisher
from duebook_notifier.digest_mailer import DigestMailer
from duebook_notifier.links import Links
from duebook_notifier.mail_sender import MailPolicy, MailSender
from duebook_notifier.outcome_mailer import OutcomeMailer
from duebook_notifier.settings import NotifierSettings
from duebook_notifier.single_flight import SingleFlight

_BROKER_INTERVAL = timedelta(seconds=5)
_RETRY_INTERVAL = timedelta(seconds=1)
_FORGET_INTERVAL = timedelta(minutes=10)


@asynccontextmanager
async def lifespan(context: ServiceContext) -> AsyncIterator[None]:
    """Consume outcomes and retry due mails; on the way out stop consuming and finish the mails under way."""
    settings = context.settings
    assert isinstance(settings, NotifierSettings)
    server = smtp_server(settings.smtp_url.get_secret_value())
    policy = MailPolicy(
        server,
        settings.mail_from,
        settings.notify_to,
        limit=settings.mail_limit,
        domains=settings.mail_domains,
        links=Links.to(settings.public_url, settings.base_path, console=settings.console == "on"),
    )
    async with notifying(context, settings, policy):
        yield


@asynccontextmanager
async def notifying(context: ServiceContext, settings: NotifierSettings, policy: MailPolicy) -> AsyncIterator[None]:
    """The whole service, with a mail policy that tests may choose."""
    rabbitmq_url, redis_url = settings.rabbitmq_url.get_secret_value(), settings.redis_url.get_secret_value()
    has_default = bool(policy.default_to)
    clock, in_flight = Clock(), SingleFlight()
    async with AsyncExitStack() as stack:
        await check_redis(redis_url)
        pool = await stack.enter_async_context(
            open_database(context.health, settings.postgres_url.get_secret_value(), "notifier", clock)
        )
        await stack.enter_async_context(present(pool, "notifier", settings, context.health, clock))
        redis = await stack.enter_async_context(redis_client(redis_url))
        await retry_while_unavailable(
            "noting default recipients", partial(_note_recipients, pool, has_default=has_default)
        )
        dead_letters = DeadLetterPublisher(rabbitmq_url, default_recipients=has_default)
        stack.push_async_callback(dead_letters.close)
        sender = MailSender(pool, clock, dead_letters, policy, Actor(f"notifier {socket.gethostname()}"))
        mailer = OutcomeMailer(pool, clock, redis, in_flight, sender, policy)
        digests = DigestMailer(pool, clock, redis, in_flight, sender, policy.links)
        consumer = Consumer(rabbitmq_url, mailer, default_recipients=has_default)
        stack.push_async_callback(consumer.close)
        connect_broker = partial(_connect_broker, dead_letters, consumer)

        # SMTP is not checked: while it is unavailable, mails wait as due rows and the notifier is still useful.
        context.health.checks["rabbitmq"] = consumer.check
        show_at_zero(NOTIFICATIONS, ("sent", "retrying", "given_up", "nobody"))
        show_at_zero(LOCKS, ("acquired", "busy", "unavailable"))
        context.facts = {"mail_server": f"{policy.server.host}:{policy.server.port}", "sender": policy.sender}
        context.loops.start("clock", clock.keep_measuring(pool))
        _start_mailers(context.loops, mailer, digests)
        try:
            await connect_when_available(context.health, rabbitmq_url, connect_broker)
            context.loops.start("broker", run_every("broker", _BROKER_INTERVAL, connect_broker))
            yield
        finally:
            await context.loops.stop()
            await consumer.cancel()
            await in_flight.drain(settings.grace)


async def _note_recipients(pool: Pool, *, has_default: bool) -> None:
    async with acquire(pool) as db:
        await set_default_recipients(db, has_default)


async def _connect_broker(dead_letters: DeadLetterPublisher, consumer: Consumer) -> int:
    """Repeated for ever, because a broker that lost its data needs every declaration again."""
    await dead_letters.declare()
    await consumer.start()
    return 0


def _start_mailers(loops: Loops, mailer: OutcomeMailer, digests: DigestMailer) -> None:
    loops.start("mails", run_every("mails", _RETRY_INTERVAL, mailer.retry_due))
    loops.start("owed mails", run_every("owed mails", _RETRY_INTERVAL, mailer.mail_owed))
    loops.start("digests", run_every("digests", _RETRY_INTERVAL, digests.send_due))
    loops.start("budgets", run_every("budgets", _FORGET_INTERVAL, digests.forget))
