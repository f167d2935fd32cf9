"""Decisions about jobs, and the plan of the commit that records them: which events to append, which rows to write.

Pure; `job_handling` loads the states and executes the plan.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from duebook_common.domain.job import events as job_events
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.admission import frees_slot, runs_to_await
from duebook_common.domain.job.commands import JobCommand
from duebook_common.domain.job.decide import decide
from duebook_common.domain.job.events import Fact, JobChanged, JobCreated, JobErased, JobEvent
from duebook_common.domain.job.state import Job, job_after
from duebook_common.domain.run import events as run_events
from duebook_common.domain.run import evolve as run_evolve
from duebook_common.domain.run.events import FirstEvent, RunCancelled, RunCancelRequested, RunEvent, RunFact
from duebook_common.domain.run.state import Run, of_fields
from duebook_common.store.actor import Actor
from duebook_common.store.eventstore import PERMANENT, Write

CommandT = TypeVar("CommandT", bound=JobCommand)
CommandT_co = TypeVar("CommandT_co", bound=JobCommand, covariant=True)


class LockedJob(NamedTuple):
    """A job and its active runs, as read under the job's lock."""

    job: Job
    active: Sequence[Run]


@dataclass(frozen=True, slots=True)
class JobResult(Generic[CommandT_co]):
    """A decided command: its facts, the job after them, and the runs that they opened or changed."""

    before: LockedJob
    command: CommandT_co
    facts: Sequence[Fact]
    job: Job
    runs: Sequence[Run]

    @property
    def stopped(self) -> list[UUID]:
        """The runs whose attempt, if one is running, has to stop: their executors should be notified."""
        stops = (RunCancelRequested, RunCancelled)
        return [fact.run_id for fact in self.facts if isinstance(fact, RunFact) and isinstance(fact.event, stops)]


def decide_locked(before: LockedJob, command: CommandT) -> JobResult[CommandT]:
    """Decide a command; raises what `decide` raises."""
    facts = decide(before.job, before.active, command)
    return JobResult(before, command, facts, job_after(before.job, facts), _runs_after(before.active, facts))


def _runs_after(active: Iterable[Run], facts: Iterable[Fact]) -> list[Run]:
    before = {run.id: run for run in active}
    after: dict[UUID, Run] = {}
    for fact in facts:
        if not isinstance(fact, RunFact):
            continue
        if isinstance(fact.event, FirstEvent):
            after[fact.run_id] = run_evolve.opened(fact.run_id, fact.event)
        else:
            run = after.get(fact.run_id) or before[fact.run_id]
            after[fact.run_id] = run_evolve.evolve(run, fact.event)
    return list(after.values())


@dataclass(slots=True)
class CommitPlan:
    """What one commit writes: events, then rows. `awaited_runs` are those whose end must wake a waiting run."""

    writes: list[Write] = field(default_factory=list)
    created_jobs: list[Job] = field(default_factory=list)
    redefined_jobs: list[Job] = field(default_factory=list)
    updated_jobs: list[Job] = field(default_factory=list)
    opened_runs: list[Run] = field(default_factory=list)
    updated_runs: list[Run] = field(default_factory=list)
    awaited_runs: list[Run] = field(default_factory=list)
    erased_jobs: list[Job] = field(default_factory=list)

    def note_periods(self, periods: Mapping[str, datetime]) -> None:
        """Take note of the periods (UTC), by stream, in which the new streams were opened."""
        self.created_jobs = [replace(job, born=periods[job_events.stream(job.id)]) for job in self.created_jobs]
        opened = [(run, periods[run_events.stream(run.id)]) for run in self.opened_runs]
        self.opened_runs = [of_fields({**vars(run), "born": born}) for run, born in opened]

    @property
    def freeing_runs(self) -> list[Run]:
        """The runs that may let others start."""
        return [run for run in self.updated_runs if frees_slot(run)]


class NewJob(NamedTuple):
    """A job to be created, and who asked for it."""

    id: UUID
    event: JobCreated
    actor: Actor

    @property
    def job(self) -> Job:
        return job_state.opened(self.id, self.event)

    @property
    def born(self) -> datetime | None:
        """A recurring job is kept for ever: each of its occurrences is accounted for by the events of its stream."""
        return None if self.event.definition.recurrence == "none" else PERMANENT

    @property
    def write(self) -> Write:
        meta = self.actor.meta_of_schedule()
        return Write(job_events.stream(self.id), 0, [self.event], self.id, meta=meta, born=self.born)


def plan_creation(new_jobs: Sequence[NewJob]) -> CommitPlan:
    """Open the streams of new jobs."""
    return CommitPlan(
        writes=[new.write for new in new_jobs],
        created_jobs=[new.job for new in new_jobs],
    )


def plan_commit(results: Iterable[JobResult[JobCommand]], actor: Actor) -> CommitPlan:
    """Record the results of decisions about different jobs."""
    plan, meta = CommitPlan(), actor.meta_of_schedule()
    for result in results:
        if result.facts:
            plan.writes += _writes(result, meta)
            redefined = any(isinstance(fact, JobChanged | JobErased) for fact in result.facts)
            (plan.redefined_jobs if redefined else plan.updated_jobs).append(result.job)
            plan.erased_jobs += [result.job for fact in result.facts if isinstance(fact, JobErased)]
        before = {run.id: run for run in result.before.active}
        for run in result.runs:
            (plan.updated_runs if run.id in before else plan.opened_runs).append(run)
        after = before | {run.id: run for run in result.runs}
        plan.awaited_runs += runs_to_await(run for run in after.values() if run.active)
    plan.updated_runs.sort(key=lambda run: run.id)  # rows are locked in this order, so that writers do not deadlock
    return plan


def _writes(result: JobResult[JobCommand], meta: bytes) -> list[Write]:
    """One write for each stream. `order` sorts the facts across streams: the job's state depends on their order."""
    own, by_run = dict[int, JobEvent](), dict[UUID, dict[int, RunEvent]]()
    for order, fact in enumerate(result.facts):
        if isinstance(fact, RunFact):
            by_run.setdefault(fact.run_id, {})[order] = fact.event
        else:
            own[order] = fact
    job, runs = result.before.job, {run.id: run for run in result.runs}
    writes = [
        Write(
            run_events.stream(run_id), runs[run_id].version - len(events), [*events.values()], job.id,
            meta=meta, order=[*events], born=runs[run_id].born,
        )
        for run_id, events in by_run.items()
    ]  # fmt: skip
    # The job's write may be empty: it checks the job's version, on which the decision depends.
    stream = job_events.stream(job.id)
    own_events = [*own.values()]
    return [*writes, Write(stream, job.stream_version, own_events, job.id, meta=meta, order=[*own], born=job.born)]
