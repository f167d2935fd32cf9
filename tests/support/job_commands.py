"""Jobs after commands, and runs of them, for tests of pure code."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from duebook_common.domain.job.commands import DeleteJob, Dispatch, JobCommand, PauseJob
from duebook_common.domain.job.decide import decide
from duebook_common.domain.job.events import Fact
from duebook_common.domain.job.state import Job, job_after
from duebook_common.domain.run.events import RunFact
from duebook_common.domain.run.state import Run, RunStatus
from support.samples import NOW, SECOND, a_job, a_run, context


def names(facts: Sequence[Fact]) -> list[str]:
    return [type(fact.event if isinstance(fact, RunFact) else fact).__name__ for fact in facts]


def after(job: Job, *commands: JobCommand) -> Job:
    """The job after commands that find no active runs."""
    for command in commands:
        job = job_after(job, decide(job, [], command))
    return job


def paused(**fields: Any) -> Job:
    """Paused before its first time."""
    return after(a_job(NOW - SECOND, **fields), PauseJob("holidays", context(NOW - SECOND)))


def finished() -> Job:
    return after(a_job(), Dispatch(context()))


def deleted() -> Job:
    return after(a_job(), DeleteJob(NOW))


def active(status: RunStatus, n: int = 1) -> Run:
    return replace(a_run(), id=UUID(int=n), status=status, attempt=int(status is RunStatus.RUNNING))
