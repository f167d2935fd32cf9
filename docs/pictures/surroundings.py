"""What stands around the runs of the example: executors, services, keys, mails, a paused queue, bulk operations."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import uuid_utils.compat as uuids

from duebook_common.domain.bulk.events import BulkAction, BulkFilter, BulkRequested
from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.commands import DecisionContext, TriggerRun
from duebook_common.domain.mail import MailEvent, MailFailed, MailSent, message_id
from duebook_common.domain.queue.decide import PauseQueue
from duebook_common.domain.run.commands import FailAttempt, StartAttempt
from duebook_common.runtime.api_keys import new_key
from duebook_common.runtime.health import Health
from duebook_common.runtime.settings import Settings
from duebook_common.store import executors
from duebook_common.store.actor import Actor
from duebook_common.store.bulk_acts import BulkLimits
from duebook_common.store.bulk_handling import BulkExecutor, request_bulk
from duebook_common.store.checkpoints import end_of_log, put_checkpoint
from duebook_common.store.database import Pool, transaction
from duebook_common.store.executors import About, Work
from duebook_common.store.job_handling import handle_job
from duebook_common.store.key_handling import KeyRequest, add_key, revoke_key
from duebook_common.store.mail_handling import MailResult, record_mails
from duebook_common.store.queue_handling import handle_queue
from duebook_common.store.run_handling import RunWork, handle_runs
from duebook_common.store.services import Instance, Presence

_OPS, _FIRST = Actor("key:ops"), Actor("key:environment")
_MINUTE = timedelta(minutes=1)
_SERVES = {
    "worker-1": (("default", "mail"), ("log", "http.request", "email.send", "amqp.publish"), 100),
    "worker-2": (
        ("default", "imports"),
        ("log", "http.request", "imports.orders", "imports.catalogue", "reports.nightly"),
        100,
    ),
    "worker-3": (("slow",), ("search.refresh",), 8),
}
_KEYS = {
    "deployment": (("jobs:read", "jobs:write"), timedelta(days=90)),
    "grafana": (("read",), None),
    "night shift": (("read", "runs:write", "dead-letters:write", "queues:write"), timedelta(days=30)),
    "intern, summer": (("read",), timedelta(days=60)),
}
_DEAD = "SELECT run_id, job_id FROM runs WHERE status = 'dead_lettered' ORDER BY created_at DESC LIMIT 7"
_RUNNING = "SELECT run_id FROM runs WHERE status = 'running' AND executor = $1"


def _name(host: str) -> str:
    return f"{host}/{uuid5(UUID(int=0), host)}"


def executor_of(queue: str, task: str) -> str:
    """The name of an executor that serves the queue and has the task."""
    return next(_name(host) for host, (queues, tasks, _) in _SERVES.items() if queue in queues and task in tasks)


async def write_surroundings(pool: Pool, jobs: Mapping[str, UUID], now: datetime) -> None:
    """Add to a written example what the pages beside jobs and runs show."""
    await _keys(pool)
    await _mails(pool, now)
    await _bulk_operations(pool, now)
    await _fail_once(pool, jobs["sync orders"], now)
    await handle_queue(pool, "mail", PauseQueue("the mail server moves"), _OPS)
    await _trigger(pool, jobs["welcome mails"], now)
    await announce(pool, now)


async def announce(pool: Pool, now: datetime) -> None:
    """Let executors and services say that they are alive; they count as lost some time later."""
    for n, (host, (queues, tasks, slots)) in enumerate(_SERVES.items()):
        name = _name(host)
        about = About(host, "0.1.0", slots, now - timedelta(hours=5 + 31 * n))
        await executors.register(pool, name, queues, tasks, about)
        doing = [row["run_id"] for row in await pool.fetch(_RUNNING, name)]
        await executors.renew(pool, name, Work(len(doing), doing))
    for n, service in enumerate(("scheduler", "scheduler", "executor", "notifier")):
        settings = Settings(postgres_url="postgresql://duebook@database/duebook")
        instance = Instance(uuid5(UUID(int=n), service), service, settings, now - timedelta(hours=5 + n))
        await Presence(pool, instance, Health()).step()
    async with transaction(pool) as db:  # as the relay of a scheduler does
        if (end := await end_of_log(db)) is not None:
            await put_checkpoint(db, "relay", end)


async def _keys(pool: Pool) -> None:
    rows = [await add_key(pool, KeyRequest(name, *given), new_key(), _FIRST) for name, given in _KEYS.items()]
    await revoke_key(pool, rows[-1]["key_id"], "the summer is over", _OPS)


async def _mails(pool: Pool, now: datetime) -> None:
    dead, results = await pool.fetch(_DEAD), list(_mail_results(now))
    mails = [
        MailResult(row["run_id"], row["job_id"], event(row["run_id"])) for row, event in zip(dead, results, strict=True)
    ]
    await record_mails(pool, mails, Actor("notifier worker-1"))


def _mail_results(now: datetime) -> Iterator[Any]:
    """Functions from the id of a run to the result of its mail: most are sent, one waits and one is given up."""
    topic = "dead_lettered-9"

    def sent(run_id: UUID, recipient: str = "ops@example.com", minutes: int = 42) -> MailEvent:
        mail_id = message_id(run_id, topic, recipient)
        return MailSent(outcome=topic, recipient=recipient, message_id=mail_id, at=now - minutes * _MINUTE)

    def failed(run_id: UUID, recipient: str, error: str, tries: int, retry_at: datetime | None) -> MailEvent:
        return MailFailed(
            outcome=topic,
            recipient=recipient,
            message_id=message_id(run_id, topic, recipient),
            error=error,
            tries=tries,
            retry_at=retry_at,
            at=now - 3 * _MINUTE,
        )

    yield lambda run: failed(run, "billing@example.com", "451 greylisted, try again later", 2, now + 4 * _MINUTE)
    yield lambda run: failed(run, "left@example.com", "550 mailbox unavailable", 1, None)
    for n in range(5):
        yield lambda run, n=n: sent(run, minutes=42 + 3 * n)


async def _bulk_operations(pool: Pool, now: datetime) -> None:
    """One that has ended, and one that goes on at its rate."""
    executor = BulkExecutor(pool, BulkLimits(_MINUTE, 1_000), Actor("scheduler worker-1"))
    ended = BulkFilter(status=("dead_lettered",), queue="imports")
    for action, chosen, reason, rate in (
        (BulkAction.DISCARD, ended, "imported by hand", None),
        (BulkAction.REDRIVE, BulkFilter(tag="tenant-7"), "billing is back", 0.1),
    ):
        matched = await _matched(pool, chosen)
        wanted = BulkRequested(action=action, filter=chosen, reason=reason, rate=rate, matched=matched, at=now)
        bulk_id = uuids.uuid7()
        await request_bulk(pool, bulk_id, wanted, _OPS)
        for seconds in (0, 10, 20):
            await executor.step(bulk_id, now + timedelta(seconds=seconds), wait=True)


async def _matched(pool: Pool, chosen: BulkFilter) -> int:
    condition = (
        "(queue = $1 OR $1 IS NULL) AND (job_id IN (SELECT job_id FROM jobs WHERE $2 = ANY(tags)) OR $2 IS NULL)"
    )
    statement = f"SELECT count(*) FROM runs WHERE status = 'dead_lettered' AND {condition}"  # noqa: S608
    return int(await pool.fetchval(statement, chosen.queue, chosen.tag))


async def _trigger(pool: Pool, job_id: UUID, now: datetime) -> UUID:
    context = DecisionContext(now=now, misfire=_MINUTE, look_again_after=_MINUTE, dispatch=0)
    command = TriggerRun(uuids.uuid7(), Overlap.ALLOW_ALL, context)
    await handle_job(pool, job_id, command, _OPS)
    return command.run_id


async def _fail_once(pool: Pool, job_id: UUID, now: datetime) -> None:
    """A run whose first attempt has just failed: it is retrying."""
    run_id, lease = await _trigger(pool, job_id, now), timedelta(seconds=30)
    executor = executor_of("imports", "imports.orders")
    start = StartAttempt(0, executor, lease, now)
    fail = FailAttempt(1, "TimeoutError: warehouse.example.com:443", now, chance=0.5, retry=True)
    for command in (start, fail):
        await handle_runs(pool, [RunWork(run_id, command)], Actor(f"executor {executor}"))
