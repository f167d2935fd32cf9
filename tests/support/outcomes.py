"""Outcomes of real runs, a scripted mail server, and notifiers: for the tests of the notifier."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.exceptions import ChannelNotFoundEntity
from aiosmtpd.smtp import SMTP, Envelope, Session

from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.topology import EVENTS, MAIL_NAMED, NOTIFICATIONS, NOTIFICATIONS_DEAD
from duebook_common.domain.definition import Backoff, CatchUp, Definition, Notify, Outcome, Overlap
from duebook_common.domain.job.commands import DecisionContext, Dispatch, TriggerRun
from duebook_common.domain.job.decide import create
from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.mail import mail_topic
from duebook_common.domain.run.commands import CancelRun, FailAttempt, RunCommand, StartAttempt, Succeed, WakeRun
from duebook_common.domain.run.ids import run_id_at
from duebook_common.domain.run.state import Run
from duebook_common.runtime.redis_locks import redis_client
from duebook_common.runtime.service import ServiceContext
from duebook_common.runtime.settings import read
from duebook_common.runtime.smtp import smtp_server
from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool
from duebook_common.store.job_handling import create_jobs, handle_job
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_notifier.app import notifying
from duebook_notifier.dead_letters import DeadLetterPublisher
from duebook_notifier.mail_sender import MailPolicy, MailSender
from duebook_notifier.outcome_mailer import OutcomeMailer
from duebook_notifier.settings import NotifierSettings
from duebook_notifier.single_flight import SingleFlight
from support.smtp_server import Mailbox

ACTOR = Actor("test")
NOW = datetime.now(UTC)
OPS = "ops@example.com"
StartNotifier = Callable[..., AbstractAsyncContextManager[ServiceContext]]
StartMailer = Callable[..., AbstractAsyncContextManager[OutcomeMailer]]
CATCH_UP_NONE = CatchUp("none")
CONTEXT = DecisionContext(now=NOW, misfire=timedelta(minutes=1), look_again_after=timedelta(minutes=1), dispatch=1)
_GRACE = {"DUEBOOK_GRACE": "PT1M"}


class MailServer(Mailbox):
    """A mail server with scripted replies: `replies` has one reply for each of the next mails to a recipient."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, list[str]] = {}
        self._held: tuple[asyncio.Event, asyncio.Event, asyncio.AbstractEventLoop] | None = None

    def hold(self, received: asyncio.Event, resume: asyncio.Event) -> None:
        """Set `received` when the next mail has arrived, and reply to it only when `resume` is set."""
        self._held = (received, resume, asyncio.get_running_loop())

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self._held:
            (received, resume, loop), self._held = self._held, None
            loop.call_soon_threadsafe(received.set)
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(resume.wait(), loop))
        return await super().handle_DATA(server, session, envelope)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.replies.get(address):
            return self.replies[address].pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.messages]

    def to(self) -> list[str]:
        return sorted(str(mail["To"]) for mail in self.messages)


class OutcomeFactory:
    """Brings runs to an outcome; each method that ends a run returns the message about its outcome."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(
        self,
        *to: str,
        name: str = "nightly report",
        max_retries: int = 0,
        timezone: str = "UTC",
        on: tuple[Outcome, ...] = ("succeeded", "dead_lettered", "attempt_failed"),
    ) -> Run:
        """A run whose first attempt is running."""
        job_id = uuid4()
        notify = Notify(to=to or (OPS,), on=on)
        definition = Definition(name=name, scheduled_at=NOW, notify=notify, max_retries=max_retries, timezone=timezone)
        await create_jobs(self._pool, {job_id: create(job_id, definition, NOW)}, ACTOR)
        result = await handle_job(self._pool, job_id, TriggerRun(uuid4(), Overlap.ALLOW_ALL, CONTEXT), ACTOR)
        assert result is not None
        return await self._do(result.runs[0], StartAttempt(1, "executor", timedelta(minutes=1), NOW))

    async def missed(
        self, *to: str, days: int = 3, on: tuple[Outcome, ...] = ("missed",), catch_up: CatchUp = CATCH_UP_NONE
    ) -> OutcomeMessage:
        """Daily occurrences, of which those of the last `days` were missed."""
        job_id, first = uuid4(), NOW - timedelta(days=days - 1, hours=1)
        definition = Definition(
            name="nightly report", scheduled_at=first, recurrence="daily", notify=Notify(to, on), catch_up=catch_up
        )
        await create_jobs(self._pool, {job_id: create(job_id, definition, first)}, ACTOR)
        result = await handle_job(self._pool, job_id, Dispatch(CONTEXT), ACTOR)
        assert result is not None
        skipped = result.facts[0]
        assert isinstance(skipped, OccurrencesSkipped)
        return OutcomeMessage(
            run_id=run_id_at(job_id, skipped.last), job_id=job_id, outcome="missed", attempt=0, version=2, at=NOW,
            notify=bool(to),
        )  # fmt: skip

    async def waiting_run(self, *to: str, on: tuple[Outcome, ...]) -> Run:
        """A run that waits for an active run of its job."""
        job_id, notify = uuid4(), Notify(to or (OPS,), on)
        definition = Definition(
            name="nightly report", scheduled_at=NOW, notify=notify, max_retries=1, recurrence="daily",
            overlap=Overlap.BUFFER_ALL, start_within=timedelta(minutes=30),
        )  # fmt: skip
        await create_jobs(self._pool, {job_id: create(job_id, definition, NOW)}, ACTOR)
        await handle_job(self._pool, job_id, TriggerRun(uuid4(), Overlap.ALLOW_ALL, CONTEXT), ACTOR)
        result = await handle_job(self._pool, job_id, Dispatch(CONTEXT), ACTOR)
        assert result is not None
        assert result.runs[0].status == "waiting"
        return result.runs[0]

    async def cancelled(self, run: Run) -> OutcomeMessage:
        return _message(await self._do(run, CancelRun("no longer needed", NOW)), "cancelled")

    async def expired(self, run: Run) -> OutcomeMessage:
        """The deadline of the waiting run passes."""
        return _message(await self._do(run, WakeRun(NOW + timedelta(hours=1), 0.5, timedelta(minutes=1))), "skipped")

    async def admitted(self, run: Run) -> Run:
        """The waiting run is admitted and its first attempt starts."""
        run = await self._do(run, WakeRun(NOW, 0.5, timedelta(minutes=1), free=True))
        return await self._do(run, StartAttempt(run.dispatch, "executor", timedelta(minutes=1), NOW))

    async def succeeded(self, run: Run) -> OutcomeMessage:
        return _message(await self._do(run, Succeed(1, {"rows": 3}, NOW)), "succeeded")

    async def failed(self, run: Run, error: str = "boom") -> OutcomeMessage:
        """The last failure gives the outcome `dead_lettered`, any other `failed`."""
        failed = await self._do(run, FailAttempt(run.attempt, error, NOW, 0.5))
        return _message(failed, "failed" if failed.status == "retrying" else "dead_lettered")

    async def _do(self, run: Run, command: RunCommand) -> Run:
        [result] = await handle_runs(self._pool, [RunWork(run.id, command)], ACTOR)
        assert result.run is not None, result.error
        return result.run


def _message(run: Run, outcome: str) -> OutcomeMessage:
    return OutcomeMessage(
        run_id=run.id,
        job_id=run.job_id,
        outcome=outcome,
        attempt=run.attempt,
        version=run.version,
        at=NOW,
        notify=bool(run.notify.to),
    )


async def mail_status(pool: Pool, message: OutcomeMessage, recipient: str = OPS) -> str | None:
    """The recorded status of the mail to this recipient; None if it was never tried."""
    topic = mail_topic(message.outcome, message.version)
    status: str | None = await pool.fetchval(
        "SELECT status FROM mails WHERE run_id = $1 AND outcome = $2 AND recipient = $3",
        message.run_id,
        topic,
        recipient,
    )
    return status


async def await_mail(pool: Pool, message: OutcomeMessage, status: str, recipient: str = OPS) -> None:
    """Wait until the mail to this recipient has this status."""
    async with asyncio.timeout(60):
        while await mail_status(pool, message, recipient) != status:
            await asyncio.sleep(0.05)


async def mail_events(pool: Pool) -> list[str]:
    """The types of all events about mails, sorted."""
    return [row["type"] for row in await pool.fetch("SELECT type FROM events WHERE stream LIKE 'mail-%' ORDER BY 1")]


class Broker:
    """Does in RabbitMQ what the relay and an operator do."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self._channel = channel

    async def publish(self, body: bytes, routing_key: str = MAIL_NAMED) -> None:
        """Publish an outcome as the relay does, with the notifier's routing key as BCC."""
        exchange = await self._channel.get_exchange(EVENTS, ensure=False)
        await exchange.publish(aio_pika.Message(body, headers={"BCC": [routing_key]}, delivery_mode=2), "run.test")

    async def move_back(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        """Move a dead letter back to the notifications queue."""
        again = aio_pika.Message(message.body, headers=message.headers, delivery_mode=2)
        await self._channel.default_exchange.publish(again, NOTIFICATIONS)

    async def is_empty(self) -> bool:
        """Whether the notifications queue has no ready message."""
        return await (await self._channel.get_queue(NOTIFICATIONS)).get(fail=False) is None

    async def has_no_dead_letter(self) -> bool:
        return await (await self._channel.get_queue(NOTIFICATIONS_DEAD)).get(fail=False) is None

    async def delete(self, queue: str) -> None:
        await self._channel.queue_delete(queue)

    async def delete_exchange(self, exchange: str) -> None:
        await self._channel.exchange_delete(exchange)

    async def dead_letter(self) -> aio_pika.abc.AbstractIncomingMessage:
        """Wait for the next dead letter and remove it from its queue."""
        async with asyncio.timeout(60):
            while (message := await self._dead_letter()) is None:
                await asyncio.sleep(0.05)
        await message.ack()
        return message

    async def _dead_letter(self) -> aio_pika.abc.AbstractIncomingMessage | None:
        try:
            queue = await self._channel.get_queue(NOTIFICATIONS_DEAD)
        except ChannelNotFoundEntity:  # the broker lost its data, and the notifier has not declared the queue yet
            await self._channel.reopen()
            return None
        return await queue.get(fail=False)


@asynccontextmanager
async def broker(rabbitmq_url: str) -> AsyncIterator[Broker]:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        yield Broker(await connection.channel())


def mail_policy(smtp_url: str, tries: int = 8, **changes: Any) -> MailPolicy:
    """A policy that retries almost at once, without a limit."""
    backoff = Backoff(initial=timedelta(milliseconds=50), factor=1, max=timedelta(seconds=1), jitter=0)
    return MailPolicy(smtp_server(smtp_url), "duebook@example.org", backoff=backoff, tries=tries, **changes)


@asynccontextmanager
async def starting_notifier(
    postgres_url: str, rabbitmq_url: str, redis_url: str, smtp_url: str, tries: int = 8, **changes: Any
) -> AsyncIterator[ServiceContext]:
    """A running notifier that may not be ready yet."""
    urls = {"POSTGRES": postgres_url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url, "SMTP": smtp_url}
    settings = read(NotifierSettings, {f"DUEBOOK_{name}_URL": url for name, url in urls.items()} | _GRACE)
    context = ServiceContext(settings)
    async with notifying(context, settings, mail_policy(smtp_url, tries, **changes)):
        yield context


@asynccontextmanager
async def notifier(
    postgres_url: str, rabbitmq_url: str, redis_url: str, smtp_url: str, tries: int = 8, **changes: Any
) -> AsyncIterator[ServiceContext]:
    """A running notifier that is ready."""
    async with starting_notifier(postgres_url, rabbitmq_url, redis_url, smtp_url, tries, **changes) as context:
        async with asyncio.timeout(60):
            while set((await context.health.report())[1].values()) != {"ok"}:
                await asyncio.sleep(0.05)
        yield context


@asynccontextmanager
async def outcome_mailer(pool: Pool, redis_url: str, smtp_url: str, **changes: Any) -> AsyncIterator[OutcomeMailer]:
    """An outcome mailer alone, without RabbitMQ: it works until a mail must be given up."""
    clock, dead_letters = Clock(), DeadLetterPublisher("amqp://127.0.0.1:1/", default_recipients=False)
    policy = mail_policy(smtp_url, **changes)
    sender = MailSender(pool, clock, dead_letters, policy, ACTOR)
    async with redis_client(redis_url) as redis:
        yield OutcomeMailer(pool, clock, redis, SingleFlight(), sender, policy)
