"""Histories as the log tells them, to be explained: events with their actors, and steps of a job."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from duebook_api.why import at_time, nominal_times, of_run
from duebook_api.why.facts import Circumstances, ExplainedRun, JobFacts, Step, Why
from duebook_common.domain.definition import Definition
from duebook_common.domain.job import decide as job_decide
from duebook_common.domain.job import state as job_state
from duebook_common.domain.job.events import JobEvent
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.events import RunEvent
from duebook_common.domain.run.state import Run
from duebook_common.store.codec import encode
from duebook_common.store.eventstore import RecordedEvent
from support.samples import JOB_ID, MINUTE, NOW, RUN_ID, a_definition

Told = tuple[RunEvent, str]  # an event and who caused it


def recorded(stream: str, events: Sequence[tuple[Any, str]]) -> list[RecordedEvent]:
    rows = []
    for version, (event, actor) in enumerate(events, 1):
        type_, data = encode(event)
        rows.append(
            RecordedEvent(1, version, stream, version, UUID(int=version), type_, orjson.loads(data), {"actor": actor},
                     JOB_ID, event.at)
        )  # fmt: skip
    return rows


def why_run(*events: RunEvent | Told, now: datetime = NOW, **circumstances: Any) -> Why:
    """The explanation of a run; events come from the scheduler unless somebody else is named."""
    told = [each if isinstance(each, tuple) else (each, "scheduler host-1") for each in events]
    definition = circumstances.pop("definition", a_definition())
    job = circumstances.pop("job", None) or a_job_of(definition)
    c = Circumstances(now=now, misfire=MINUTE, job=job, definition=definition, **circumstances)
    return of_run.explain(RUN_ID, recorded(f"run-{RUN_ID}", told), c).why


def a_job_of(definition: Definition, *events: JobEvent, now: datetime = NOW) -> Job:
    job = job_state.opened(JOB_ID, job_decide.create(JOB_ID, definition, now))
    for event in events:
        job = job_state.evolve(job, event)
    return job


class History:
    """A job with its steps, which can be asked why at any time."""

    def __init__(self, definition: Definition, at: datetime = NOW, by: str = "key:ops") -> None:
        self.definitions = {1: definition}
        self.job = a_job_of(definition, now=at)
        self.steps = [Step(version=1, type="JobCreated", at=at, actor=by)]

    def then(self, event: JobEvent, by: str = "key:ops") -> "History":
        self.job = job_state.evolve(self.job, event)
        version, fields = len(self.steps) + 1, {}
        for name in ("reason", "first", "last", "count"):
            fields[name] = getattr(event, name, None)
        self.steps.append(Step(version=version, type=type(event).__name__, at=event.at, actor=by, **fields))
        if hasattr(event, "definition"):
            self.definitions[version] = event.definition
        return self

    def facts(self, now: datetime, *runs: ExplainedRun) -> JobFacts:
        return JobFacts(now=now, misfire=timedelta(minutes=1), job=self.job, steps=self.steps, runs=runs)

    def why_at(self, at: datetime, now: datetime, *runs: ExplainedRun) -> Why:
        facts = self.facts(now, *runs)
        definition = self.definitions[nominal_times.version_at(facts, at)]
        return at_time.explain(facts, nominal_times.look_up(facts, definition, at))


def explained(run: Run, answer: str) -> ExplainedRun:
    return ExplainedRun(run=run, why=Why(answer, []))


def says(why: Why) -> list[str]:
    return [each.says for each in why.because]
