"""The scheduler's wiring: the only module that knows all its parts."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from duebook_common.broker import topology
from duebook_common.broker.publisher import Publisher
from duebook_common.broker.startup import connect_when_available
from duebook_common.runtime.health import Check
from duebook_common.runtime.hints import Hints
from duebook_common.runtime.loops import Loops, run_every
from duebook_common.runtime.redis_check import check_redis
from duebook_common.runtime.redis_locks import redis_client
from duebook_common.runtime.service import ServiceContext
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor
from duebook_common.store.database import Clock
from duebook_common.store.follow_ups import FollowUpSubscriber
from duebook_common.store.log_origin import check_log
from duebook_common.store.log_pulse import LogPulse
from duebook_common.store.services import present
from duebook_common.store.startup import open_database
from duebook_scheduler.admission import Admission
from duebook_scheduler.bulk_worker import BulkWorker
from duebook_scheduler.day_lines import DayLines
from duebook_scheduler.dispatch import Dispatcher
from duebook_scheduler.dispatch_window import DispatchWindow
from duebook_scheduler.ended_executors import EndedExecutors
from duebook_scheduler.erasures import Erasures
from duebook_scheduler.idle_queues import IdleQueues
from duebook_scheduler.lost_messages import LostMessageDetector
from duebook_scheduler.mending import WakeupMender
from duebook_scheduler.period_opener import PeriodOpener
from duebook_scheduler.poll import Poller
from duebook_scheduler.poll_context import PollContext
from duebook_scheduler.queue_metrics import show_known_queues
from duebook_scheduler.rate_keys import StartPruner
from duebook_scheduler.relay import Relay
from duebook_scheduler.run_sender import RunSender
from duebook_scheduler.settings import SchedulerSettings
from duebook_scheduler.statistics import StatisticsKeeper
from duebook_scheduler.sweep import Sweeper
from duebook_scheduler.waker import Waker
from duebook_scheduler.without_archives import WithoutArchives
from duebook_scheduler.work_queues import WorkQueues

_ARCHIVE_INTERVAL = timedelta(minutes=1)
_ARCHIVE_RETRY = timedelta(minutes=5)
_RELAY_INTERVAL = timedelta(milliseconds=250)
_FOLLOW_UP_INTERVAL = timedelta(milliseconds=100)
_IDLE_INTERVAL = timedelta(seconds=20)
_MEND_INTERVAL = timedelta(seconds=10)
_PERIOD_INTERVAL = timedelta(minutes=1)
_RATE_INTERVAL = timedelta(minutes=1)
_STATISTICS_INTERVAL = timedelta(seconds=1)
_ERASE_INTERVAL = timedelta(seconds=5)
_DAY_LINE_INTERVAL = timedelta(minutes=5)
_SIGN_INTERVAL = timedelta(milliseconds=250)
_PULSE_SECONDS, _IDLE_PULSE_SECONDS = 0.08, 0.25  # between two looks at the end of the log
_SWEEP_INTERVAL = timedelta(seconds=5)


@asynccontextmanager
async def lifespan(context: ServiceContext) -> AsyncIterator[None]:
    """Connect and run the loops; on the way out finish the pass and the publishes under way."""
    settings = context.settings
    assert isinstance(settings, SchedulerSettings)
    clock, wake, redis_url = Clock(), asyncio.Event(), settings.redis_url.get_secret_value()
    postgres_url = settings.postgres_url.get_secret_value()
    rabbitmq_url = settings.rabbitmq_url.get_secret_value()
    connect_broker = partial(topology.connect, rabbitmq_url, "scheduler")
    connect_again = partial(topology.connect, rabbitmq_url, "scheduler-queues")
    await check_redis(redis_url)
    async with (
        open_database(context.health, postgres_url, "scheduler", clock) as pool,
        present(pool, "scheduler", settings, context.health, clock),
        await connect_when_available(context.health, rabbitmq_url, connect_broker) as connection,
        await connect_when_available(context.health, rabbitmq_url, connect_again) as questions,
        Hints(redis_url) as hints,
        redis_client(redis_url) as redis,
    ):
        work_queues = WorkQueues(questions)
        publisher, sender = Publisher(connection), RunSender(Publisher(connection), work_queues, wake.set)
        poll_context = PollContext(pool, clock, settings, Actor(f"scheduler {socket.gethostname()}"))
        poller = _poller(poll_context, sender, work_queues, hints)
        log_check = partial(check_log, pool)
        context.health.checks |= {"rabbitmq": _connected(publisher), "poll": poller.check, "log": log_check}
        await show_known_queues(pool)
        context.facts = {"poll_cron": settings.poll_cron, "batch": settings.batch}
        loops = context.loops
        loops.start("hints", hints.listen(wake))
        loops.start("clock", clock.keep_measuring(pool))
        loops.start("poll", run_every("poll", poller.pause, poller.step, wake))
        pulse = LogPulse(pool, _PULSE_SECONDS, _IDLE_PULSE_SECONDS)
        _start_log_readers(loops, poll_context, publisher, wake, pulse)
        bulk = _bulk_worker(poll_context, hints, pulse)
        loops.start("bulk", run_every("bulk", bulk.pause, bulk.step))
        _start_workers(loops, poll_context, publisher, work_queues)
        _start_archiving(loops, poll_context, poller)
        ended = EndedExecutors(poll_context, postgres_url, work_queues, redis, sender, wake.set)
        loops.start("ended executors", run_every("ended executors", _SIGN_INTERVAL, ended.step))
        try:
            yield
        finally:
            await loops.stop()
            ended.close()
            await poller.close()
            await sender.drain()


def _start_log_readers(
    loops: Loops, context: PollContext, publisher: Publisher, wake: asyncio.Event, pulse: LogPulse
) -> None:
    """The loops that follow the log: outcomes to RabbitMQ, follow-ups, statistics."""
    pool, clock, settings = context.pool, context.clock, context.settings
    loops.start("relay", run_every("relay", _RELAY_INTERVAL, Relay(pool, publisher, pulse).step))
    follow_ups = FollowUpSubscriber(pool, clock, context.actor, settings.misfire, settings.max_active_runs, pulse)
    follow_up = partial(follow_ups.step, wake.set)
    loops.start("follow-ups", run_every("follow-ups", partial(pulse.pause, _FOLLOW_UP_INTERVAL), follow_up))
    keeper = StatisticsKeeper(pool, clock, pulse)
    loops.start("statistics", run_every("statistics", _STATISTICS_INTERVAL, keeper.step))


def _start_workers(loops: Loops, context: PollContext, publisher: Publisher, work_queues: WorkQueues) -> None:
    """The loops that tidy up."""
    pool = context.pool
    loops.start("sweep", run_every("sweep", _SWEEP_INTERVAL, Sweeper(pool, publisher).step))
    periods = PeriodOpener(pool, context.settings.partitions)
    loops.start("periods", run_every("periods", _PERIOD_INTERVAL, periods.step))
    loops.start("rates", run_every("rates", _RATE_INTERVAL, StartPruner(pool).step))
    loops.start("mending", run_every("mending", _MEND_INTERVAL, WakeupMender(pool).step))
    erasures = Erasures(pool, context.clock)
    loops.start("erasures", run_every("erasures", _ERASE_INTERVAL, erasures.step))
    lines = DayLines(pool, context.clock)
    loops.start("day lines", run_every("day lines", _DAY_LINE_INTERVAL, lines.step))
    idle_queues = IdleQueues(pool, work_queues, context.settings.queue_idle)
    loops.start("idle queues", run_every("idle queues", _IDLE_INTERVAL, idle_queues.step))


def _start_archiving(loops: Loops, context: PollContext, poller: Poller) -> None:
    """Only where there are archives, if only to erase from them; only then the libraries for archives are loaded."""
    if context.settings.archive_url is None:
        waiting = WithoutArchives(context.pool)
        loops.start("archives", run_every("archives", _ARCHIVE_RETRY, waiting.step))
        return
    from duebook_scheduler.archiving import ArchiveKeeper  # noqa: PLC0415

    keeper = ArchiveKeeper(context.pool, context.settings, context.actor, poller.is_late)
    loops.start(
        "archives", run_every("archives", _ARCHIVE_INTERVAL, keeper.step, longest=_ARCHIVE_RETRY.total_seconds())
    )


def _poller(context: PollContext, sender: RunSender, work_queues: WorkQueues, hints: Hints) -> Poller:
    window = DispatchWindow(context.settings.dispatch_ahead)
    lost_messages = LostMessageDetector(work_queues, context.settings.lease)
    dispatcher = Dispatcher(context, sender, window, hints)
    waker = Waker(context, sender, window, lost_messages, Admission(context))
    return Poller(context, dispatcher, waker)


def _bulk_worker(context: PollContext, hints: Hints, pulse: LogPulse) -> BulkWorker:
    limits = BulkLimits(context.settings.misfire, context.settings.max_active_runs)
    return BulkWorker(context, BulkExecutor(context.pool, limits, context.actor), hints, pulse)


def _connected(publisher: Publisher) -> Check:
    async def check() -> None:
        if not publisher.connected:
            raise ConnectionError("no connection to RabbitMQ")

    return check
