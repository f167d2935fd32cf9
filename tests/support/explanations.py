"""Recorded events of runs and jobs, and the explanations that follow from them, without a database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from duebook_api.why import at_time, nominal_times, of_run
from duebook_api.why.facts import ExplainedRun, Explanation, JobContext, JobEventSummary, RunContext
from duebook_common.domain.definition import Definition
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.commands import ResumeJob
from duebook_common.domain.job.events import JobEvent, JobPaused
from duebook_common.domain.job.occurrence import account
from duebook_common.domain.job.state import Job
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.events import AttemptFailed, AttemptStarted, FirstEvent, RunEvent, RunFact
from duebook_common.domain.run.state import Run
from duebook_common.store.codec import encode
from duebook_common.store.eventstore import RecordedEvent
from support.samples import DAY, HOUR, JOB_ID, MINUTE, NOW, RUN_ID, SECOND, a_definition, a_run, context

EventBy = tuple[RunEvent, str]  # an event and its actor
STARTED = AttemptStarted(attempt=1, executor="executor host/1", wake_at=NOW + 30 * SECOND, at=NOW + SECOND)
FAILED = AttemptFailed(attempt=1, error="connection refused", failures=1, retry_at=NOW + MINUTE, at=NOW + 3 * SECOND)
OTHER = UUID(int=99)
DAILY = a_definition(recurrence="daily", timezone="Europe/Berlin")
PAUSED = JobPaused(reason="the warehouse is being mended", at=NOW + HOUR)


def recorded(stream: str, events: Sequence[tuple[Any, str]]) -> list[RecordedEvent]:
    rows = []
    for version, (event, actor) in enumerate(events, 1):
        type_, data = encode(event)
        rows.append(
            RecordedEvent(1, version, stream, version, UUID(int=version), type_, orjson.loads(data), {"actor": actor},
                          JOB_ID, event.at)
        )  # fmt: skip
    return rows


def explain_run(*events: RunEvent | EventBy, now: datetime = NOW, **context: Any) -> Explanation:
    """The explanation of a run. The actor of an event is the scheduler unless it is given."""
    with_actors = [event if isinstance(event, tuple) else (event, "scheduler host-1") for event in events]
    definition = context.pop("definition", a_definition())
    job = context.pop("job", None) or a_job_of(definition)
    run_context = RunContext(now=now, misfire=MINUTE, job=job, definition=definition, **context)
    return of_run.explain(RUN_ID, recorded(f"run-{RUN_ID}", with_actors), run_context).explanation


def first_event(
    job: Job, *active: Run, now: datetime = NOW + timedelta(milliseconds=20), has_executor: bool = True, **more: Any
) -> FirstEvent:
    """The first event of the occurrence that is due."""
    decision = context(now, has_executor=has_executor, **more)
    facts = [fact for fact in account(job, active, decision) if isinstance(fact, RunFact)]
    event = facts[-1].event
    assert isinstance(event, FirstEvent)
    return event


def running() -> Run:
    """Another run of the same job, under way."""
    return replace(a_run(STARTED), id=OTHER)


def a_job_of(definition: Definition, *events: JobEvent, now: datetime = NOW) -> Job:
    job = job_state.opened(JOB_ID, job_decide.create(JOB_ID, definition, now))
    for event in events:
        job = job_state.evolve(job, event)
    return job


class JobHistory:
    """A job with the events of its stream, which can be explained at any time."""

    def __init__(self, definition: Definition, at: datetime = NOW, by: str = "key:ops") -> None:
        self.definitions = {1: definition}
        self.queue_pause: Pause | None = None
        self.job = a_job_of(definition, now=at)
        self.events = [JobEventSummary(version=1, type="JobCreated", at=at, actor=by)]

    def then(self, event: JobEvent, by: str = "key:ops") -> "JobHistory":
        self.job = job_state.evolve(self.job, event)
        version = len(self.events) + 1
        fields = {
            name: getattr(event, name) for name in ("reason", "first", "last", "count", "hold") if hasattr(event, name)
        }
        self.events.append(JobEventSummary(version=version, type=type(event).__name__, at=event.at, actor=by, **fields))
        if hasattr(event, "definition"):
            self.definitions[version] = event.definition
        return self

    def context(self, now: datetime, *runs: ExplainedRun) -> JobContext:
        return JobContext(
            now=now, misfire=MINUTE, job=self.job, events=self.events, runs=runs, queue_pause=self.queue_pause
        )

    def explain_at(self, at: datetime, now: datetime, *runs: ExplainedRun) -> Explanation:
        context = self.context(now, *runs)
        definition = self.definitions[nominal_times.definition_version_at(context, at)]
        return at_time.explain(context, nominal_times.time_context(context, definition, at))


def explained(run: Run, answer: str) -> ExplainedRun:
    return ExplainedRun(run=run, explanation=Explanation(answer, []))


def texts(explanation: Explanation) -> list[str]:
    return [cause.text for cause in explanation.causes]


def resumed() -> JobHistory:
    """A daily job that ran once, was paused for three days, and is active again."""
    history = JobHistory(DAILY)
    history.job = replace(history.job, next_at=NOW + DAY)
    history.then(PAUSED)
    back = NOW + 3 * DAY + HOUR
    for event in job_decide.decide(history.job, [], ResumeJob("mended", back)):
        assert not isinstance(event, RunFact)
        history.then(event)
    return history
