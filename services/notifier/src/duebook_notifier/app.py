"""The notifier's wiring: the only place that knows all its parts."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from duebook_common.runtime.loops import run_every
from duebook_common.runtime.redis_locks import redis_client
from duebook_common.runtime.service import ServiceContext
from duebook_common.runtime.smtp import server
from duebook_common.store.database import Clock, connect
from duebook_common.store.job_handling import Actor
from duebook_notifier.consumer import Consumer
from duebook_notifier.dead_letters import DeadLetterPublisher
from duebook_notifier.mailing import Mailing
from duebook_notifier.sending import MailPolicy, Sender
from duebook_notifier.settings import NotifierSettings
from duebook_notifier.single_flight import SingleFlight

_BROKER_PAUSE, _DUE_PAUSE = timedelta(seconds=5), timedelta(seconds=1)


@asynccontextmanager
async def lifespan(context: ServiceContext) -> AsyncIterator[None]:
    """Consume outcomes and retry due mails; on the way out take nothing further and finish what is under way."""
    settings = context.settings
    assert isinstance(settings, NotifierSettings)
    terms = MailPolicy(server(settings.smtp_url.get_secret_value()), settings.mail_from, settings.notify_to)
    async with notifying(context, settings, terms):
        yield


@asynccontextmanager
async def notifying(context: ServiceContext, settings: NotifierSettings, terms: MailPolicy) -> AsyncIterator[None]:
    """The whole service on given terms."""
    clock, passes, url = Clock(), SingleFlight(), settings.rabbitmq_url.get_secret_value()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(connect(settings.postgres_url.get_secret_value(), "notifier"))
        redis = await stack.enter_async_context(redis_client(settings.redis_url.get_secret_value()))
        await clock.measure(pool)
        letters = DeadLetterPublisher(url, tells_by_default=bool(terms.default_to))
        stack.push_async_callback(letters.close)
        sender = Sender(pool, clock, letters, terms, Actor(f"notifier {socket.gethostname()}"))
        mailing = Mailing(pool, clock, redis, passes, sender, terms.default_to)
        consumer = Consumer(url, mailing, tells_by_default=bool(terms.default_to))
        stack.push_async_callback(consumer.close)

        async def broker() -> int:
            """Declared again and again: a broker that lost its data gets everything back, the dead letters' too."""
            await letters.declare()
            await consumer.start()
            return 0

        # SMTP is not asked: while it is away mails wait as due rows, and an unready notifier would help nobody.
        context.health.checks = {"postgres": lambda: pool.fetchval("SELECT 1"), "rabbitmq": consumer.check}
        context.loops.start("clock", clock.keep(pool))
        context.loops.start("broker", run_every("broker", _BROKER_PAUSE, broker))
        context.loops.start("mails", run_every("mails", _DUE_PAUSE, mailing.retry_due))
        try:
            yield
        finally:
            await context.loops.stop()
            await consumer.cancel()
            await passes.drain(settings.grace)
