"""Runs in the books whose outcomes can be told, and notifiers that tell them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aio_pika
from aio_pika.exceptions import ChannelNotFoundEntity
from aiosmtpd.smtp import SMTP, Envelope, Session

from duebook_common.broker.messages import OutcomeMessage
from duebook_common.broker.topology import EVENTS, MAIL_NAMED, NOTIFICATIONS, NOTIFICATIONS_DEAD
from duebook_common.domain.definition import Backoff, CatchUp, Definition, Notify, Outcome, Overlap
from duebook_common.domain.job import new_runs
from duebook_common.domain.job.decide import create
from duebook_common.domain.job.events import OccurrencesSkipped
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.commands import CancelRun, FailAttempt, RunCommand, StartAttempt, Succeed, WakeRun
from duebook_common.domain.run.events import RunFact, run_id_at
from duebook_common.domain.run.state import Run
from duebook_common.runtime.redis_locks import redis_client
from duebook_common.runtime.service import ServiceContext
from duebook_common.runtime.settings import read
from duebook_common.runtime.smtp import server
from duebook_common.store.database import Clock, Pool
from duebook_common.store.job_handling import Actor, create_jobs, handle_job
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_notifier.app import notifying
from duebook_notifier.dead_letters import DeadLetterPublisher
from duebook_notifier.mailing import Mailing
from duebook_notifier.sending import MailPolicy, Sender
from duebook_notifier.settings import NotifierSettings
from duebook_notifier.single_flight import SingleFlight
from support.smtp_server import Mailbox

ACTOR = Actor("test")
NOW = datetime.now(UTC)
OPS = "ops@example.com"
CATCH_UP_NONE = CatchUp("none")
_GRACE = {"DUEBOOK_GRACE": "PT5S"}


class PostOffice(Mailbox):
    """A mail server whose replies to a recipient can be laid out in advance, one for each mail."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, list[str]] = {}
        self._held: tuple[asyncio.Event, asyncio.Event, asyncio.AbstractEventLoop] | None = None

    def hold(self, held: asyncio.Event, go_on: asyncio.Event) -> None:
        """Let the next mail wait, once it has arrived, until it may go on."""
        self._held = (held, go_on, asyncio.get_running_loop())

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        if self._held:
            (held, go_on, loop), self._held = self._held, None
            loop.call_soon_threadsafe(held.set)
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(go_on.wait(), loop))
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


class Books:
    """Makes runs and leads them to an outcome; each step answers with the message that tells of it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(
        self,
        *to: str,
        name: str = "nightly report",
        max_retries: int = 0,
        on: tuple[Outcome, ...] = ("succeeded", "dead_lettered", "attempt_failed"),
    ) -> Run:
        """A run whose first attempt is under way."""
        job_id, run_id = uuid4(), uuid4()
        notify = Notify(to=to or (OPS,), on=on)
        definition = Definition(name=name, scheduled_at=NOW, notify=notify, max_retries=max_retries)
        await create_jobs(self._pool, {job_id: create(job_id, definition, NOW)}, ACTOR)
        terms = new_runs.DecisionContext(
            now=NOW, misfire=timedelta(minutes=1), patience=timedelta(minutes=1), dispatch=1
        )

        def judge(job: Job, _: object) -> list[RunFact]:
            return new_runs.trigger_now(job, [], terms, run_id, overlap=Overlap.ALLOW_ALL)

        outcome = await handle_job(self._pool, job_id, judge, ACTOR)
        assert outcome is not None
        return await self._do(outcome.runs[0], StartAttempt(1, "executor", timedelta(minutes=1), NOW))

    async def missed(
        self, *to: str, days: int = 3, on: tuple[Outcome, ...] = ("missed",), catch_up: CatchUp = CATCH_UP_NONE
    ) -> OutcomeMessage:
        """Daily occurrences, of which nobody dispatched those of the last days."""
        job_id, first = uuid4(), NOW - timedelta(days=days - 1, hours=1)
        definition = Definition(
            name="nightly report", scheduled_at=first, recurrence="daily", notify=Notify(to, on), catch_up=catch_up
        )
        await create_jobs(self._pool, {job_id: create(job_id, definition, first)}, ACTOR)
        terms = new_runs.DecisionContext(
            now=NOW, misfire=timedelta(minutes=1), patience=timedelta(minutes=1), dispatch=1
        )
        outcome = await handle_job(self._pool, job_id, lambda job, active: account(job, active, terms), ACTOR)
        assert outcome is not None
        skipped = outcome.facts[0]
        assert isinstance(skipped, OccurrencesSkipped)
        return OutcomeMessage(
            run_id=run_id_at(job_id, skipped.last), job_id=job_id, outcome="missed", attempt=0, version=2, at=NOW,
            notify=bool(to),
        )  # fmt: skip

    async def waited(self, *to: str, on: tuple[Outcome, ...]) -> Run:
        """A run that waits for another of its job, which is under way."""
        job_id, notify = uuid4(), Notify(to or (OPS,), on)
        definition = Definition(
            name="nightly report", scheduled_at=NOW, notify=notify, max_retries=1, recurrence="daily",
            overlap=Overlap.BUFFER_ALL, start_within=timedelta(minutes=30),
        )  # fmt: skip
        await create_jobs(self._pool, {job_id: create(job_id, definition, NOW)}, ACTOR)
        terms = new_runs.DecisionContext(
            now=NOW, misfire=timedelta(minutes=1), patience=timedelta(minutes=1), dispatch=1
        )

        def trigger(job: Job, active: Sequence[Run]) -> list[RunFact]:
            return new_runs.trigger_now(job, active, terms, uuid4(), overlap=Overlap.ALLOW_ALL)

        await handle_job(self._pool, job_id, trigger, ACTOR)
        outcome = await handle_job(self._pool, job_id, lambda job, active: account(job, active, terms), ACTOR)
        assert outcome is not None
        assert outcome.runs[0].status == "waiting"
        return outcome.runs[0]

    async def cancelled(self, run: Run) -> OutcomeMessage:
        return _message(await self._do(run, CancelRun("no longer needed", NOW)), "cancelled")

    async def expired(self, run: Run) -> OutcomeMessage:
        """Its deadline passes while it waits."""
        return _message(await self._do(run, WakeRun(NOW + timedelta(hours=1), 0.5, timedelta(minutes=1))), "skipped")

    async def let_go(self, run: Run) -> Run:
        """Its waiting is over, and its first attempt under way."""
        run = await self._do(run, WakeRun(NOW, 0.5, timedelta(minutes=1), free=True))
        return await self._do(run, StartAttempt(run.dispatch, "executor", timedelta(minutes=1), NOW))

    async def succeeded(self, run: Run) -> OutcomeMessage:
        return _message(await self._do(run, Succeed(1, {"rows": 3}, NOW)), "succeeded")

    async def failed(self, run: Run, error: str = "boom") -> OutcomeMessage:
        """The last failure is told as a dead letter, any other as a failed attempt."""
        again = await self._do(run, FailAttempt(run.attempt, error, NOW, 0.5))
        return _message(again, "failed" if again.status == "retrying" else "dead_lettered")

    async def _do(self, run: Run, command: RunCommand) -> Run:
        decided = (await handle_runs(self._pool, [RunWork(run.id, command)], ACTOR))[0]
        assert decided.run is not None, decided.error
        return decided.run


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


class Broker:
    """The relay's and the operator's place at RabbitMQ."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self._channel = channel

    async def publish(self, body: bytes, mail_key: str = MAIL_NAMED) -> None:
        exchange = await self._channel.get_exchange(EVENTS, ensure=False)
        await exchange.publish(aio_pika.Message(body, headers={"BCC": [mail_key]}, delivery_mode=2), "run.test")

    async def move_back(self, letter: aio_pika.abc.AbstractIncomingMessage) -> None:
        """What an operator does with a dead letter."""
        again = aio_pika.Message(letter.body, headers=letter.headers, delivery_mode=2)
        await self._channel.default_exchange.publish(again, NOTIFICATIONS)

    async def is_empty(self) -> bool:
        """Whether the notifier's queue holds nothing that could be had."""
        return await (await self._channel.get_queue(NOTIFICATIONS)).get(fail=False) is None

    async def has_no_dead_letter(self) -> bool:
        return await (await self._channel.get_queue(NOTIFICATIONS_DEAD)).get(fail=False) is None

    async def delete(self, queue: str) -> None:
        await self._channel.queue_delete(queue)

    async def dead_letter(self) -> aio_pika.abc.AbstractIncomingMessage:
        """The next dead letter, awaited and taken."""
        async with asyncio.timeout(30):
            while (letter := await self._dead_letter()) is None:
                await asyncio.sleep(0.05)
        await letter.ack()
        return letter

    async def _dead_letter(self) -> aio_pika.abc.AbstractIncomingMessage | None:
        try:
            queue = await self._channel.get_queue(NOTIFICATIONS_DEAD)
        except ChannelNotFoundEntity:  # the broker lost its data, and the notifier comes to it in a moment
            await self._channel.reopen()
            return None
        return await queue.get(fail=False)


@asynccontextmanager
async def broker(rabbitmq_url: str) -> AsyncIterator[Broker]:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        yield Broker(await connection.channel())


def terms(smtp_url: str, tries: int = 8) -> MailPolicy:
    """Tried again almost at once."""
    backoff = Backoff(initial=timedelta(milliseconds=50), factor=1, max=timedelta(seconds=1), jitter=0)
    return MailPolicy(server(smtp_url), "duebook@example.org", backoff=backoff, tries=tries)


@asynccontextmanager
async def starting_notifier(
    postgres_url: str, rabbitmq_url: str, redis_url: str, smtp_url: str, tries: int = 8
) -> AsyncIterator[ServiceContext]:
    """A whole notifier, ready or not."""
    urls = {"POSTGRES": postgres_url, "RABBITMQ": rabbitmq_url, "REDIS": redis_url, "SMTP": smtp_url}
    settings = read(NotifierSettings, {f"DUEBOOK_{name}_URL": url for name, url in urls.items()} | _GRACE)
    context = ServiceContext(settings)
    async with notifying(context, settings, terms(smtp_url, tries)):
        yield context


@asynccontextmanager
async def notifier(
    postgres_url: str, rabbitmq_url: str, redis_url: str, smtp_url: str, tries: int = 8
) -> AsyncIterator[ServiceContext]:
    """A whole notifier, ready."""
    async with starting_notifier(postgres_url, rabbitmq_url, redis_url, smtp_url, tries) as context:
        async with asyncio.timeout(20):
            while set((await context.health.report())[1].values()) != {"ok"}:
                await asyncio.sleep(0.05)
        yield context


@asynccontextmanager
async def mailing(pool: Pool, redis_url: str, smtp_url: str) -> AsyncIterator[Mailing]:
    """A notifier's inside, without RabbitMQ, which it does not miss until a mail is hopeless."""
    clock, letters = Clock(), DeadLetterPublisher("amqp://127.0.0.1:1/", tells_by_default=False)
    chosen = terms(smtp_url)
    async with redis_client(redis_url) as redis:
        yield Mailing(pool, clock, redis, SingleFlight(), Sender(pool, clock, letters, chosen, ACTOR), ())
