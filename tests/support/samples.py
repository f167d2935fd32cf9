"""Values of the domain for tests of pure code: say only what the test is about, the rest has a default."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.commands import DecisionContext, PastOccurrence
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.schedule_history import DefinitionVersion
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.events import RunDispatched, RunEvent, RunFact
from duebook_common.domain.run.evolve import evolve, opened
from duebook_common.domain.run.state import Run, RunStatus

NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
JOB_ID, RUN_ID = UUID(int=7), UUID(int=8)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def a_definition(**fields: Any) -> Definition:
    return Definition(**{"name": "nightly report", "scheduled_at": NOW, **fields})


def a_job(now: datetime = NOW, **fields: Any) -> Job:
    """A job right after its creation."""
    return job_state.opened(JOB_ID, job_decide.create(JOB_ID, a_definition(**fields), now))


def context(now: datetime = NOW, **fields: Any) -> DecisionContext:
    return DecisionContext(**{"now": now, "misfire": MINUTE, "look_again_after": 30 * SECOND, "dispatch": 1, **fields})


def a_dispatch(now: datetime = NOW, **fields: Any) -> RunDispatched:
    """The first event of a run of a one-off that is due now."""
    (fact,) = account(a_job(now, **{"scheduled_at": now, **fields}), [], context(now))
    assert isinstance(fact, RunFact)
    assert isinstance(fact.event, RunDispatched)
    return fact.event


def a_run(*events: RunEvent, now: datetime = NOW, **fields: Any) -> Run:
    """A run of a job so defined, after these events."""
    return after(opened(RUN_ID, a_dispatch(now, **fields)), events)


def a_running_run(n: int) -> Run:
    """One of several runs of a job, which are told apart by `n`."""
    return replace(a_run(), id=UUID(int=n + 1), status=RunStatus.RUNNING, attempt=1)


def after(run: Run, events: Iterable[RunEvent]) -> Run:
    for event in events:
        run = evolve(run, event)
    return run


def past(job: Job, *times: datetime) -> list[PastOccurrence]:
    """Times to be backfilled by the job's current definition."""
    version = DefinitionVersion(job.definition, job.version, job.definition_version)
    return [PastOccurrence(time, version) for time in times]


def due(run: Run) -> datetime:
    """When the run wakes; it must."""
    assert run.wake_at is not None
    return run.wake_at
