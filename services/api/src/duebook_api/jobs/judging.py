"""How a person's command on a job is judged: what is due is settled by the old definition first."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from duebook_common.domain.definition import Definition
from duebook_common.domain.errors import StaleVersion
from duebook_common.domain.job import change as job_change
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job.events import Fact, JobEvent
from duebook_common.domain.job.new_runs import DecisionContext
from duebook_common.domain.job.occurrence import settle, skip_due
from duebook_common.domain.job.state import Job, JobStatus, job_after
from duebook_common.domain.run.commands import CancelRun
from duebook_common.domain.run.decide import decide
from duebook_common.domain.run.events import RunFact
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.store.job_handling import Decider

Command = Callable[[Job], Sequence[JobEvent]]

_NOT_STARTED = frozenset({RunStatus.WAITING, RunStatus.DISPATCHED, RunStatus.RETRYING})


def changing(make: Callable[[Job], Definition], terms: DecisionContext, if_match: str | None, *, ran: bool) -> Decider:
    """Replace the definition by the one that `make` makes of the job; the same one changes nothing."""

    def judge(job: Job, active: Sequence[Run]) -> Sequence[Fact]:
        must_match(job, if_match)
        wanted = make(job)
        if not job_change.change(job, wanted, terms.now, ran=ran):
            return []
        # Where the times stay what they are, those that must wait go by the new definition.
        left_out = None if wanted.same_schedule(job.definition) else "changed"
        settled = [*_settle(job, active, terms, left_out)]
        still_due = _after(job, settled)
        if replace(still_due, definition=wanted).exhausted:  # the change ends the job, and no due time with it
            settled += skip_due(still_due, "max_runs", terms.now)
        return _then(job, settled, lambda now: job_change.change(now, wanted, terms.now, ran=ran))

    return judge


def pausing(reason: str | None, terms: DecisionContext) -> Decider:
    def judge(job: Job, active: Sequence[Run]) -> Sequence[Fact]:
        if not job_decide.pause(job, reason, terms.now):
            return []
        return _then(job, _settle(job, active, terms, "paused"), lambda now: job_decide.pause(now, reason, terms.now))

    return judge


def resuming(reason: str | None, terms: DecisionContext) -> Decider:
    def judge(job: Job, active: Sequence[Run]) -> Sequence[Fact]:
        if not job_decide.resume(job, reason, terms.now):
            return []
        return _then(job, _settle(job, active, terms, "paused"), lambda now: job_decide.resume(now, reason, terms.now))

    return judge


def deleting(terms: DecisionContext, if_match: str | None) -> Decider:
    """End the job: what is due and was not dispatched is left out, what was not started is cancelled."""

    def judge(job: Job, active: Sequence[Run]) -> Sequence[Fact]:
        must_match(job, if_match)
        deleted = job_decide.delete(job, terms.now)
        if not deleted:
            return []
        left_out = skip_due(job, "paused" if job.status is JobStatus.PAUSED else "deleted", terms.now)
        command = CancelRun("the job was deleted", terms.now)
        waiting = [run for run in active if run.status in _NOT_STARTED]
        return [*left_out, *deleted, *(RunFact(run.id, event) for run in waiting for event in decide(run, command))]

    return judge


def must_match(job: Job, if_match: str | None) -> None:
    """Raises StaleVersion where `If-Match` names other versions than the job's."""
    if if_match is None:
        return
    tags = [tag.strip().removeprefix("W/") for tag in if_match.split(",")]
    if "*" not in tags and f'"{job.version}"' not in tags:
        raise StaleVersion(if_match[:100], job.version)


def _settle(job: Job, active: Sequence[Run], terms: DecisionContext, left_out: str | None) -> Sequence[Fact]:
    if job.status is JobStatus.PAUSED:
        return skip_due(job, "paused", terms.now)
    return settle(job, active, terms, left_out) if job.status is JobStatus.ACTIVE else []


def _then(job: Job, settled: Sequence[Fact], command: Command) -> Sequence[Fact]:
    """The settled facts, then the command on the job as they leave it."""
    return [*settled, *command(_after(job, settled))]


def _after(job: Job, settled: Sequence[Fact]) -> Job:
    for fact in settled:
        job = job_after(job, fact)
    return job
