"""A notifier's surroundings: outcomes to mail, a scripted mail server, and RabbitMQ as the relay sees it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest

from duebook_common.store.database import Pool
from duebook_notifier.outcome_mailer import OutcomeMailer
from support.outcomes import (
    Broker,
    MailServer,
    OutcomeFactory,
    StartMailer,
    StartNotifier,
    broker,
    notifier,
    outcome_mailer,
)


@pytest.fixture
def smtp() -> Iterator[MailServer]:
    server = MailServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def outcomes(pool: Pool) -> OutcomeFactory:
    return OutcomeFactory(pool)


@pytest.fixture
async def rabbit(rabbitmq_url: str) -> AsyncIterator[Broker]:
    async with broker(rabbitmq_url) as rabbit:
        yield rabbit


@pytest.fixture
def start_notifier(postgres_url: str, rabbitmq_url: str, redis_url: str, smtp: MailServer) -> StartNotifier:
    """Start a whole notifier on this test's servers; takes `tries` and changes of its policy."""
    return partial(notifier, postgres_url, rabbitmq_url, redis_url, smtp.url)


@pytest.fixture
def start_mailer(pool: Pool, redis_url: str, smtp: MailServer) -> StartMailer:
    """Start an outcome mailer alone; takes another `redis_url`, and changes of its policy."""

    def start(redis_url: str = redis_url, **changes: Any) -> AbstractAsyncContextManager[OutcomeMailer]:
        return outcome_mailer(pool, redis_url, smtp.url, **changes)

    return start
