"""State to answer: what clients see of a job, a run, an event. Times and ids become text when the answer is written."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from duebook_api.http import positions
from duebook_common.domain.definition import Backoff, CatchUp, Cron, Definition, Dst, Every, Notify, Recurrence, Rrule
from duebook_common.domain.job.ledger import LedgerEntry
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run
from duebook_common.runtime.durations import iso
from duebook_common.store.eventstore import RecordedEvent

View = dict[str, Any]


def job(state: Job, known_tasks: frozenset[str]) -> View:
    """A job with every effective default."""
    view = {"id": state.id, **definition(state.definition)}
    view |= {
        "status": state.status,
        "next_due_at": state.wake_at,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "version": state.version,
        "warnings": _warnings(state.definition.task, known_tasks),
    }
    if state.reason is not None:
        view["reason"] = state.reason
    return view


def _warnings(task: str, known: frozenset[str]) -> list[str]:
    return [] if task in known else [f"no executor has registered the task {task!r} yet; its runs wait for one"]


def definition(d: Definition) -> View:
    """The fields that a client may send, in the contract's order."""
    return {
        "name": d.name,
        "task": d.task,
        "payload": d.payload,
        "scheduled_at": d.scheduled_at,
        "recurrence": _recurrence(d.recurrence),
        "timezone": d.timezone,
        "dst": _dst(d.dst),
        "ends_at": d.ends_at,
        "max_runs": d.max_runs,
        "max_retries": d.max_retries,
        "backoff": _backoff(d.backoff),
        "timeout": _iso(d.timeout),
        "start_within": None if d.start_within is None else _iso(d.start_within),
        "jitter": None if d.jitter is None else _iso(d.jitter),
        "pause_on_failure": d.pause_on_failure,
        "overlap": d.overlap,
        "catch_up": _catch_up(d.catch_up),
        "queue": d.queue,
        "priority": d.priority,
        "concurrency": None if d.concurrency is None else {"key": d.concurrency.key, "limit": d.concurrency.limit},
        "notify": _notify(d.notify),
        "tags": d.tags,
        "metadata": d.metadata,
    }


# Few different values come again and again.


@lru_cache(4096)
def _recurrence(value: Recurrence) -> Any:
    match value:
        case Cron():
            return {"cron": value.cron}
        case Every():
            return {"every": iso(value.every)}
        case Rrule():
            return {"rrule": value.rrule}
        case _:
            return value


@lru_cache(4096)
def _iso(value: timedelta) -> str:
    return iso(value)


@lru_cache(64)
def _dst(dst: Dst) -> View:
    return {"gap": dst.gap, "fold": dst.fold}


@lru_cache(4096)
def _backoff(b: Backoff) -> View:
    return {"initial": _iso(b.initial), "factor": b.factor, "max": _iso(b.max), "jitter": b.jitter}


@lru_cache(1024)
def _catch_up(c: CatchUp) -> View:
    return {"policy": c.policy, "window": _iso(c.window)}


@lru_cache(1024)
def _notify(notify: Notify) -> View:
    return {"to": notify.to, "on": notify.on}


RUN_COLUMNS = (
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
    view: View = {"id": state.id} | {name: getattr(state, name) for name in RUN_COLUMNS}
    return view | _reason(state.reason)


def run_row(record: Mapping[str, Any]) -> View:
    """A row of `runs` as an answer."""
    view: View = {"id": record["run_id"]} | {name: record[name] for name in RUN_COLUMNS}
    return view | _reason(record["reason"])


def _reason(reason: str | None) -> View:
    return {} if reason is None else {"reason": reason}


def event(recorded: RecordedEvent) -> View:
    return {
        "position": positions.name(recorded),
        "stream": recorded.stream,
        "version": recorded.version,
        "type": recorded.type,
        "data": recorded.data,
        "meta": recorded.meta,
        "recorded_at": recorded.recorded_at,
    }


def line(told: LedgerEntry) -> View:
    """One nominal time of a ledger."""
    return {name: getattr(told, name) for name in ("nominal_at", "outcome", "run_id", "reason")}


def dead_letter(record: Mapping[str, Any], lineage: Iterable[View], now: datetime) -> View:
    """A resting run with what a person needs to judge it."""
    return run_row(record) | {
        "attempts": record["attempt"],
        "payload": record["effective_payload"],
        "dead_lettered_at": record["finished_at"],
        "age": iso(max(now - record["finished_at"], timedelta(0))),
        "fingerprint": record["fingerprint"],
        "lineage": list(lineage),
    }


def ancestor(record: Mapping[str, Any]) -> View:
    """One death or redrive in a dead letter's past."""
    data, redriven = record["data"], record["type"] == "RunRedriven"
    told = ("reason", "own_payload") if redriven else ("failures", "error", "dispatch")
    view: View = {"event": record["type"], "at": record["recorded_at"], "actor": record["actor"]}
    return view | {name: data.get(name) for name in told}


_LOG_STATUS = {
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
    """One thing that happened to an attempt."""
    return {
        "id": f"{record['xid']}-{record['position']}",
        "job_id": record["job_id"],
        "run_id": record["run_id"],
        "attempt": record["attempt"],
        "status": _LOG_STATUS[record["type"]],
        "message": record["message"] or _said(record["type"], record["executor"]),
        "logged_at": record["logged_at"],
    }


def _said(type_: str, executor: str | None) -> str:
    match type_:
        case "AttemptStarted":
            return f"started on {executor}"
        case "AttemptSucceeded":
            return "succeeded"
        case "AttemptReleased":
            return "handed back by a stopping executor; not charged"
        case "RunCancelled":
            return "cancelled"
        case _:
            return ""
