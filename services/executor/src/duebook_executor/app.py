"""The executor's wiring: creates its parts and connects them."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import structlog
import uuid_utils.compat as uuids

from duebook.errors import TaskError
from duebook.modules import load
from duebook.open_resources import ResourceFailed
from duebook.tasks import Registry, resources_of
from duebook_common.broker.startup import connect_when_available
from duebook_common.broker.topology import presence_queue
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.loops import Loops, run_every
from duebook_common.runtime.redis_check import check_redis
from duebook_common.runtime.redis_locks import RunLocks, redis_client
from duebook_common.runtime.service import Lifespan, ServiceContext
from duebook_common.runtime.smtp import smtp_server
from duebook_common.runtime.startup import CannotStart
from duebook_common.store.actor import Actor
from duebook_common.store.database import Clock, Pool
from duebook_common.store.executors import About
from duebook_common.store.resilience import retry_while_unavailable
from duebook_common.store.services import VERSION, present
from duebook_common.store.signs import SignOfLife
from duebook_common.store.startup import open_database
from duebook_executor.attempt_metrics import show_metrics
from duebook_executor.attempts import Attempts
from duebook_executor.builtin.amqp_publish import AmqpPublisher
from duebook_executor.builtin.catalogue import catalogue
from duebook_executor.builtin.email_send import Mailer
from duebook_executor.consumer import Consumer
from duebook_executor.deliveries import Deliveries
from duebook_executor.heartbeat import Heartbeat
from duebook_executor.note_queries import NoteQueries
from duebook_executor.note_writer import NoteWriter
from duebook_executor.queries import ExecutorQueries
from duebook_executor.recorder import AttemptRecorder
from duebook_executor.registration import LOOK_INTERVAL, Registration
from duebook_executor.settings import ExecutorSettings
from duebook_executor.slots import Slots
from duebook_executor.start_line import start_line
from duebook_executor.task_loop import TaskLoop

log = structlog.stdlib.get_logger("executor")

_HEARTBEAT_INTERVAL, _SIGN_INTERVAL, _RETRY_SECONDS = timedelta(seconds=0.5), timedelta(seconds=1), 1.0


def prepare(settings: ExecutorSettings, name: str) -> Lifespan:
    """The lifespan of an executor of this name. Before anything starts, a wrong task is refused like a setting."""
    publisher = AmqpPublisher(settings.rabbitmq_url.get_secret_value(), settings.amqp_exchanges)
    return partial(lifespan, name, load_tasks(settings, publisher), publisher)


def load_tasks(settings: ExecutorSettings, publisher: AmqpPublisher) -> Registry:
    """All tasks of this executor. Ends the process with one line on stderr if a module cannot be imported."""
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - users' modules are found in the working directory
    try:
        load(settings.tasks)
        mailer = _mailer(settings)
        return catalogue(settings.http_allow, settings.webhook_secrets, publisher, mailer, settings.http_timeout)
    except TaskError as error:
        print(f"duebook: DUEBOOK_TASKS is invalid: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None


def _mailer(settings: ExecutorSettings) -> Mailer | None:
    url = settings.smtp_url
    return (
        None if url is None else Mailer(smtp_server(url.get_secret_value()), settings.mail_from, settings.mail_domains)
    )


class _Connections(NamedTuple):
    """What the parts share once the executor is connected."""

    pool: Pool
    clock: Clock
    hints: Hints
    locks: RunLocks
    actor: Actor


class _Executor(NamedTuple):
    """The parts that a lifespan starts and stops."""

    attempts: Attempts
    deliveries: Deliveries
    consumer: Consumer
    heartbeat: Heartbeat
    registration: Registration
    publisher: AmqpPublisher


@asynccontextmanager
async def lifespan(
    name: str, registry: Registry, publisher: AmqpPublisher, context: ServiceContext
) -> AsyncIterator[None]:
    """Connect and consume; on the way out stop consuming, let attempts finish, release the rest."""
    settings = context.settings
    assert isinstance(settings, ExecutorSettings)
    clock, redis_url = Clock(), settings.redis_url.get_secret_value()
    # Unique to this start of this process: a name used twice would make a dead executor look alive.
    instance_id = uuids.uuid7()
    actor = Actor(f"executor {name}/{instance_id}")
    await check_redis(redis_url)
    async with (
        open_database(context.health, settings.postgres_url.get_secret_value(), "executor", clock) as pool,
        present(pool, "executor", settings, context.health, clock, instance_id),
        Hints(redis_url) as hints,
        redis_client(redis_url) as redis,
    ):
        connections = _Connections(pool, clock, hints, RunLocks(redis, actor.name, settings.lease), actor)
        executor = _create(name, settings, registry, publisher, connections)
        _show(context, settings, executor)
        context.loops.start("clock", clock.keep_measuring(pool))
        context.loops.start("sign of life", _give_sign(settings, actor))
        _start_heartbeat(context.loops, executor.heartbeat, hints, settings.lease)
        await open_resources(executor.attempts.task_loop, registry)
        async with _executing(context, settings, executor):
            tasks = sorted(registry.registered())
            line = start_line(name, settings.queues, tasks, settings.concurrency)
            log.info(line, executor=name, queues=settings.queues, tasks=tasks, concurrency=settings.concurrency)
            yield


def _create(
    name: str, settings: ExecutorSettings, registry: Registry, publisher: AmqpPublisher, connections: _Connections
) -> _Executor:
    """Create the parts and connect them."""
    pool, clock, hints, locks, actor = connections
    queries, notes = ExecutorQueries(pool), NoteWriter(NoteQueries(pool))
    recorder = AttemptRecorder(pool, clock, locks, queries, notes, actor, settings.lease, hints.wake)
    attempts = Attempts(recorder, clock, registry, actor.name, settings.max_timeout, Slots(settings.concurrency))
    deliveries = Deliveries(pool, clock, queries, attempts, actor, settings.lease)
    rabbitmq_url = settings.rabbitmq_url.get_secret_value()
    consumer = Consumer(rabbitmq_url, settings.queues, settings.concurrency, deliveries.receive)
    heartbeat = Heartbeat(attempts, queries, notes, locks, settings.lease)
    about = About(name, VERSION, settings.concurrency, clock.now(), defaults_of(registry))
    registration = Registration(
        pool,
        actor.name,
        settings.queues,
        registry.registered(),
        hints.wake,
        about=about,
        running=attempts.running,
        short=attempts.slots.short_tasks,
    )
    return _Executor(attempts, deliveries, consumer, heartbeat, registration, publisher)


def _show(context: ServiceContext, settings: ExecutorSettings, executor: _Executor) -> None:
    """Let people see the executor: its health and its metrics."""
    context.health.checks["rabbitmq"] = executor.consumer.check
    context.health.checks["tasks"] = lambda: executor.attempts.task_loop.check(settings.max_abandoned)
    show_metrics(settings.queues)


@asynccontextmanager
async def _executing(context: ServiceContext, settings: ExecutorSettings, executor: _Executor) -> AsyncIterator[None]:
    """Consume and stay registered; on the way out stop consuming, let attempts finish, release the rest."""
    registration = executor.registration
    try:
        await connect_when_available(context.health, settings.rabbitmq_url.get_secret_value(), executor.consumer.start)
        await retry_while_unavailable("registering", registration.step, longest=_RETRY_SECONDS)
        context.loops.start("registration", run_every("registration", LOOK_INTERVAL, registration.step))
        declare = partial(executor.consumer.declare_presence, presence_queue(executor.attempts.executor))
        context.loops.start("presence queue", run_every("presence queue", _SIGN_INTERVAL, declare))
        yield
    finally:
        await context.loops.stop("registration")  # a renewal under way would take the mark away again
        await registration.drain()
        context.loops.start("registration", run_every("registration", LOOK_INTERVAL, registration.step))
        await context.loops.stop("presence queue")
        await executor.consumer.stop_consuming()
        await executor.deliveries.stop()
        await executor.attempts.drain(settings.grace)
        await executor.attempts.task_loop.close()
        await executor.consumer.close()
        await executor.publisher.close()
        await context.loops.stop()
        await registration.leave()


def defaults_of(registry: Registry) -> dict[str, Any]:
    """What tasks say of the jobs that name them, as JSON, by task."""
    found = {task.name: task.defaults.json() for task in registry.registered().values()}
    return {name: defaults for name, defaults in found.items() if defaults}


async def open_resources(task_loop: TaskLoop, registry: Registry) -> None:
    """Open what the tasks need before the first of them starts; raises CannotStart with file, line and cause."""
    try:
        await task_loop.open(list(resources_of(registry.registered().values())))
    except ResourceFailed as error:
        raise CannotStart(str(error), exit_code=1) from error


async def _give_sign(settings: ExecutorSettings, actor: Actor) -> None:
    """Give the sign by which schedulers notice the end of this process before its leases end."""
    sign = SignOfLife(settings.postgres_url.get_secret_value(), actor.name)
    try:
        await run_every("sign of life", _SIGN_INTERVAL, sign.step, sign.lost, longest=_RETRY_SECONDS)
    finally:
        sign.close()


def _start_heartbeat(loops: Loops, heartbeat: Heartbeat, hints: Hints, lease: timedelta) -> None:
    """Beat twice a second, and at once when a run is to be cancelled.

    The pause before a retry stays far below the lease: once PostgreSQL is back, attempts have one lease to extend
    theirs.
    """
    wake, longest = asyncio.Event(), lease.total_seconds() / 6
    loops.start("cancel hints", hints.listen_cancels(lambda _: wake.set()))
    loops.start("heartbeat", run_every("heartbeat", _HEARTBEAT_INTERVAL, heartbeat.step, wake, longest))
