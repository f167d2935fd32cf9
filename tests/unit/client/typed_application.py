"""An application as a stranger writes it. It is never run: `test_wheel.py` has it checked by `mypy --strict`.

`assert_type` fails where a type is lost, and an unused `type: ignore` where a fault is no longer found.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime, timedelta
from typing import assert_type

from pydantic import BaseModel

from duebook import AsyncClient, Backoff, Client, Context, resource, task
from duebook.client import AsyncHandle, DeadLetter, Event, Handle, Job, Ledger, LedgerEntry, LogEntry, Run, Why
from duebook.testing import AttemptOutcome, EnqueuedTask, EnqueuedTasks, RunOutcome, run_task, run_task_sync


class Report(BaseModel):
    region: str


class Sent(BaseModel):
    reference: str


class Pool: ...


@resource
async def pool() -> AsyncIterator[Pool]:
    yield Pool()


@task("reports.nightly", queue="reports", timeout=60, max_retries=5, backoff=Backoff(factor=3))
async def nightly(report: Report, context: Context, pool: Pool) -> Sent:
    context.log("started", level="debug", region=report.region)
    context.progress(0.5, "half")
    assert_type(context.deadline, datetime | None)
    return Sent(reference=context.idempotency_key)


@task("clean")
def clean() -> int:
    return 1


async def call(context: Context) -> None:
    assert_type(await nightly(Report(region="eu"), context, Pool()), Sent)
    assert_type(clean(), int)


def enqueue(client: Client) -> None:
    handle = client.enqueue(nightly, Report(region="eu"), wait=30, queue="slow")
    assert_type(handle, Handle[Sent])
    assert_type(handle.result(timeout=60), Sent)
    assert_type(handle.wait(), Run)
    assert_type(handle.job, Job)
    assert_type(nightly.enqueue(Report(region="eu"), wait=timedelta(seconds=30)).result(), Sent)
    assert_type(clean.enqueue().result(), int)


def read(client: Client) -> None:
    job = client.jobs.create("a job", task="clean", timeout=timedelta(minutes=1), wait=30)
    assert_type(job, Job)
    assert_type(job.run, Run | None)
    assert_type(client.jobs.trigger(job, wait=30), Run)
    assert_type(client.jobs.batch([{"name": "a"}]), list[Job])
    assert_type(client.jobs.list(status="active"), Iterator[Job])
    assert_type(client.jobs.ledger(job), Ledger)
    assert_type(client.jobs.ledger_entries(job), Iterator[LedgerEntry])
    assert_type(client.jobs.why(job), Why)
    assert_type(client.runs.wait("id", timeout=60), Run)
    assert_type(client.runs.logs("id"), Iterator[LogEntry])
    assert_type(client.dead_letters.list(), Iterator[DeadLetter])
    assert_type(client.events("latest"), Iterator[Event])


async def read_in_a_loop(client: AsyncClient) -> None:
    handle = await client.enqueue(nightly, Report(region="eu"), wait=30)
    assert_type(handle, AsyncHandle[Sent])
    assert_type(await handle.result(timeout=60), Sent)
    assert_type(await (await clean.aenqueue()).result(), int)
    job = await client.jobs.create("a job", wait=30)
    assert_type(job, Job)
    assert_type(await client.jobs.trigger(job, wait=30), Run)
    assert_type(client.jobs.list(key="nightly"), AsyncIterator[Job])
    assert_type(await client.runs.wait("id"), Run)
    assert_type(client.events(follow=False), AsyncIterator[Event])


async def assert_in_tests(enqueued: EnqueuedTasks) -> None:
    outcome = run_task_sync(nightly, Report(region="eu"), resources={Pool: Pool()})
    assert_type(outcome, RunOutcome)
    assert_type(outcome.attempts, Sequence[AttemptOutcome])
    assert_type(await run_task(clean), RunOutcome)
    assert_type(enqueued.one(nightly), EnqueuedTask)
    assert_type(enqueued.of(nightly), list[EnqueuedTask])


async def faults(client: Client, loop_client: AsyncClient) -> None:
    nightly.enqueue("eu")  # type: ignore[call-overload]
    clean.enqueue("eu")  # type: ignore[arg-type]
    client.enqueue(nightly, "eu")  # type: ignore[misc]
    await loop_client.enqueue(nightly, "eu")  # type: ignore[misc]
    nightly.enqueue(Report(region="eu"), colour="red")  # type: ignore[call-overload]
    client.jobs.create("a job", timezon="UTC")  # type: ignore[call-arg]
    client.jobs.list(statu="active")  # type: ignore[call-arg]
