"""Answers from states and rows. Times and ids become text when the answer is serialized."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, get_args, get_type_hints
from uuid import UUID

import orjson

from duebook_api.http import positions
from duebook_api.http.replies import passed_on
from duebook_api.schemas.missing_executor import ServedTasks, missing_executor
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.ledger import LedgerEntry
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.runtime.durations import iso
from duebook_common.store.codec import complete, complete_light, is_whole
from duebook_common.store.eventstore import RecordedEvent
from duebook_common.store.rows import job_of

View = dict[str, Any]


def job(state: Job, served: ServedTasks) -> View:
    """A job with every effective default. `served` are the tasks that executors have."""
    view = {"id": state.id, **definition(state.definition)}
    view |= {
        "status": state.status,
        "next_due_at": state.wake_at,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "version": state.version,
        "warnings": warnings(state.definition, served),
    }
    if state.reason is not None:
        view["reason"] = state.reason
    if state.held:
        view["held"] = True
    return view | _if_any(erased_at=state.erased_at)


def listed_job(record: Mapping[str, Any], served: ServedTasks) -> View:
    """A row of `LISTED_JOBS`."""
    large = {name: passed_on(record[name]) for name in ("payload", "metadata")}
    return job(job_of(record), served) | large


def warnings(definition: Definition, served: ServedTasks) -> list[str]:
    missing = missing_executor(definition.queue, definition.task, served)
    return [] if missing is None else [missing]


def definition(state: Definition) -> View:
    """The fields that a client may send, in their order in `Definition`."""
    view = dict(zip(DEFINITION_FIELDS, _values(state), strict=True))
    for name in _COMPOSITE:
        view[name] = jsonable(view[name])
    return view


@lru_cache(4096, typed=True)  # few different values, in many jobs; 0 and False are equal
def jsonable(value: Any) -> Any:
    """A duration as ISO 8601 text, a dataclass as an object."""
    if isinstance(value, timedelta):
        return iso(value)
    if is_dataclass(value):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    return value


def _is_composite(hint: Any) -> bool:
    return any(each is timedelta or is_dataclass(each) for each in (hint, *get_args(hint)))


DEFINITION_FIELDS = tuple(field.name for field in fields(Definition) if field.compare)
_COMPOSITE = tuple(
    name for name, hint in get_type_hints(Definition).items() if name in DEFINITION_FIELDS and _is_composite(hint)
)
_values = attrgetter(*DEFINITION_FIELDS)


RUN_FIELDS = (
    "job_id",
    "job_name",
    "job_version",
    "task",
    "nominal_at",
    "due_at",
    "status",
    "attempt",
    "failures",
    "max_attempts",
    "queue",
    "executor",
    "started_at",
    "finished_at",
    "error",
    "result",
    "trigger",
)


def run(state: Run) -> View:
    view: View = {"id": state.id} | {name: getattr(state, name) for name in RUN_FIELDS}
    return view | _if_any(reason=state.reason, cause=state.cause, erased_at=state.erased_at)


def run_row(record: Mapping[str, Any]) -> View:
    """A row of the table `runs`."""
    view: View = {"id": record["run_id"]} | {name: record[name] for name in RUN_FIELDS}
    return view | _if_any(reason=record["reason"], cause=record["cause"], erased_at=record["erased_at"])


def listed_run(record: Mapping[str, Any]) -> View:
    """A row of `LISTED_RUNS`."""
    return run_row(record) | {"result": passed_on(record["result"])}


def _if_any(**values: Any) -> View:
    return {name: value for name, value in values.items() if value is not None}


def event(recorded: RecordedEvent, *, with_payload: bool = True) -> View:
    """An event of an `EventPage`, which was read `with_payload` or without."""
    return {
        "position": positions.text_of(recorded),
        "stream": recorded.stream,
        "version": recorded.version,
        "type": recorded.type,
        "data": _data(recorded, complete if with_payload else complete_light),
        "meta": recorded.meta,
        "recorded_at": recorded.recorded_at,
    }


def _data(recorded: RecordedEvent, completed: Callable[[str, Any, UUID | None], Any]) -> Any:
    """The event's data, with what the log leaves out."""
    if is_whole(recorded.type):
        return passed_on(recorded.data)
    return completed(recorded.type, orjson.loads(recorded.data), recorded.job_id)


def ledger_entry(entry: LedgerEntry) -> View:
    view: View = {name: getattr(entry, name) for name in ("nominal_at", "outcome", "run_id", "reason")}
    return view | _if_any(archived=entry.archived)


def dead_letter(record: Mapping[str, Any], lineage: Iterable[View], now: datetime) -> View:
    """A row of `LISTED_DEAD_LETTERS`, with what an operator needs to decide about it."""
    return listed_run(record) | {
        "attempts": record["attempt"],
        "payload": passed_on(record["effective_payload"]),
        "dead_lettered_at": record["finished_at"],
        "age": iso(max(now - record["finished_at"], timedelta(0))),
        "fingerprint": record["fingerprint"],
        "lineage": list(lineage),
    }


def dead_letter_event(record: Mapping[str, Any]) -> View:
    """One dead-lettering or redrive in the lineage of a dead letter."""
    data, redriven = record["data"], record["type"] == "RunRedriven"
    details = ("reason", "own_payload") if redriven else ("failures", "error", "dispatch")
    view: View = {"event": record["type"], "at": record["recorded_at"], "actor": record["actor"]}
    return view | {name: data.get(name) for name in details}


LOG_STATUS = {
    "AttemptStarted": "started",
    "AttemptSucceeded": "completed",
    "AttemptFailed": "failed",
    "AttemptLost": "lost",
    "AttemptReleased": "released",
    "RunCancelled": "cancelled",
    "RunDeadLettered": "dead_lettered",
    "line": "log",
}


def log_entry(record: Mapping[str, Any]) -> View:
    """An event of an attempt, or a line that its task has logged."""
    view = {
        "id": f"{record['xid']}-{record['position']}",
        "job_id": record["job_id"],
        "run_id": record["run_id"],
        "attempt": record["attempt"],
        "status": LOG_STATUS[record["type"]],
        "message": record["message"] or _default_message(record["type"], record["executor"]),
        "logged_at": record["logged_at"],
    }
    return view | _if_any(level=record["level"], fields=record["fields"] or None)


def _default_message(type_: str, executor: str | None) -> str:
    match type_:
        case "AttemptStarted":
            return f"started on {executor}"
        case "AttemptSucceeded":
            return "succeeded"
        case "AttemptReleased":
            return "handed back by an executor that was stopping or had no free slot; not charged"
        case "RunCancelled":
            return "cancelled"
        case _:
            return ""
