"""The methods of `AsyncClient`, by the resource that they are about."""

from duebook.client import dead_letters, jobs, runs
from duebook.client.methods import AsyncGroup, AsyncMethod, AsyncPages


class AsyncJobs(AsyncGroup):
    """`client.jobs`: create, read, change and control jobs."""

    create = AsyncMethod(jobs.create)
    batch = AsyncMethod(jobs.batch)
    get = AsyncMethod(jobs.get)
    list = AsyncPages(jobs.list_jobs)
    put = AsyncMethod(jobs.put)
    update = AsyncMethod(jobs.update)
    pause = AsyncMethod(jobs.pause)
    resume = AsyncMethod(jobs.resume)
    trigger = AsyncMethod(jobs.trigger)
    delete = AsyncMethod(jobs.delete)
    backfill = AsyncMethod(jobs.backfill)
    why = AsyncMethod(jobs.why)
    ledger = AsyncMethod(jobs.ledger)
    ledger_entries = AsyncPages(jobs.ledger_entries)
    runs = AsyncPages(jobs.runs)


class AsyncRuns(AsyncGroup):
    """`client.runs`: read, await, cancel and repeat runs."""

    get = AsyncMethod(runs.get)
    list = AsyncPages(runs.list_runs)
    wait = AsyncMethod(runs.wait)
    cancel = AsyncMethod(runs.cancel)
    rerun = AsyncMethod(runs.rerun)
    why = AsyncMethod(runs.why)
    logs = AsyncPages(runs.logs)


class AsyncDeadLetters(AsyncGroup):
    """`client.dead_letters`: read, redrive and discard runs that have failed for good."""

    get = AsyncMethod(dead_letters.get)
    list = AsyncPages(dead_letters.list_dead_letters)
    groups = AsyncPages(dead_letters.groups)
    redrive = AsyncMethod(dead_letters.redrive)
    redrive_all = AsyncMethod(dead_letters.redrive_all)
    discard = AsyncMethod(dead_letters.discard)
