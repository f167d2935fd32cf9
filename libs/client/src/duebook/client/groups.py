"""The methods of `Client`, by the resource that they are about."""

from duebook.client import dead_letters, jobs, runs
from duebook.client.methods import Group, Method, Pages


class Jobs(Group):
    """`client.jobs`: create, read, change and control jobs."""

    create = Method(jobs.create)
    batch = Method(jobs.batch)
    get = Method(jobs.get)
    list = Pages(jobs.list_jobs)
    put = Method(jobs.put)
    update = Method(jobs.update)
    pause = Method(jobs.pause)
    resume = Method(jobs.resume)
    trigger = Method(jobs.trigger)
    delete = Method(jobs.delete)
    backfill = Method(jobs.backfill)
    why = Method(jobs.why)
    ledger = Method(jobs.ledger)
    ledger_entries = Pages(jobs.ledger_entries)
    runs = Pages(jobs.runs)


class Runs(Group):
    """`client.runs`: read, await, cancel and repeat runs."""

    get = Method(runs.get)
    list = Pages(runs.list_runs)
    wait = Method(runs.wait)
    cancel = Method(runs.cancel)
    rerun = Method(runs.rerun)
    why = Method(runs.why)
    logs = Pages(runs.logs)


class DeadLetters(Group):
    """`client.dead_letters`: read, redrive and discard runs that have failed for good."""

    get = Method(dead_letters.get)
    list = Pages(dead_letters.list_dead_letters)
    groups = Pages(dead_letters.groups)
    redrive = Method(dead_letters.redrive)
    redrive_all = Method(dead_letters.redrive_all)
    discard = Method(dead_letters.discard)
