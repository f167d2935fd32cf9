"""What each event of a run does to its state."""

from dataclasses import MISSING, fields, replace
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from duebook_common.domain.run.events import (
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    FirstEvent,
    Identity,
    RunBuffered,
    RunCancelled,
    RunCancelRequested,
    RunDeadLettered,
    RunDeferred,
    RunDiscarded,
    RunDispatched,
    RunErased,
    RunEvent,
    RunExpired,
    RunHeld,
    RunRedriven,
    RunRequeued,
    RunResumed,
    RunSkipped,
)
from duebook_common.domain.run.state import HELD, QUEUE_PAUSED, RATE, Run, RunStatus, of_fields

_WAIT_REASONS = frozenset({"overlap", "concurrency", "task", HELD, QUEUE_PAUSED, RATE})
_DEFAULTS = {f.name: f.default for f in fields(Run) if f.default is not MISSING}
_RENAMED = {"definition_at": "definition_version"}
_NOT_KEPT = {"next_at", "next_due_at", "at"}
_IDENTITY = {name: _RENAMED.get(name, name) for name in Identity.__dataclass_fields__ if name not in _NOT_KEPT}


def opened(run_id: UUID, event: FirstEvent) -> Run:
    """The run right after its first event."""
    identity = {name: getattr(event, field) for field, name in _IDENTITY.items()}
    return of_fields(
        {**_DEFAULTS, "id": run_id, "version": 1, "created_at": event.at, **identity, **_first_changes(event)}
    )


def _first_changes(event: FirstEvent) -> dict[str, Any]:
    if isinstance(event, RunSkipped):
        return {"status": RunStatus.SKIPPED, "reason": event.reason, "finished_at": event.at}
    changes: dict[str, Any] = {
        "start_by": event.start_by,
        "wake_at": event.wake_at,
        "payload": event.payload,
        "own_payload": event.own_payload,
        "request_hash": event.request_hash,
        "resumed_at": event.resumed_at,
    }
    if isinstance(event, RunBuffered):
        return changes | {
            "status": RunStatus.WAITING,
            "reason": event.reason,
            "backlog": event.backlog,
            "held": event.held,
        }
    return changes | {"status": RunStatus.DISPATCHED, "dispatch": event.dispatch, "dispatched_at": event.at}


def evolve(run: Run, event: RunEvent) -> Run:
    """Remember one event; never refuses."""
    return of_fields({**vars(run), "version": run.version + 1, **_changes(run, event)})


def _changes(  # noqa: C901, PLR0911, PLR0912 - one case for each event
    run: Run, event: RunEvent
) -> dict[str, Any]:
    """The changes that an event makes, by field of the state."""
    match event:
        case RunDispatched() | RunBuffered() | RunSkipped():
            raise ValueError("a run's first event opens its stream")
        case RunExpired() | RunDiscarded() | RunCancelled():
            return _ended(event)
        case RunRequeued():
            return {
                "status": RunStatus.DISPATCHED,
                "dispatch": event.dispatch,
                "dispatched_at": event.at,
                "wake_at": event.wake_at,
                "reason": None if run.status is RunStatus.WAITING and run.reason in _WAIT_REASONS else run.reason,
            }
        case RunDeferred():
            return _deferred(run, event)
        case AttemptStarted():
            return _started(event)
        case RunHeld():
            return _held(run, event)
        case RunResumed():
            return _resumed(run, event)
        case AttemptSucceeded():
            return {"status": RunStatus.SUCCEEDED, "result": event.result, "error": None} | _closed(event.at)
        case AttemptFailed() | AttemptLost():
            # Without `retry_at` a dead letter or a cancellation follows in the same append.
            failed = {"failures": event.failures, "error": event.error, "finished_at": event.at}
            return failed | _to_retry(run, event.retry_at, event.at)
        case AttemptReleased():
            return _to_retry(run, event.at, event.at)
        case RunCancelRequested():
            return {"cancel_requested": True, "reason": event.reason}
        case RunDeadLettered():
            return _dead_lettered(event)
        case RunRedriven():
            return _redriven(run, event)
        case RunErased():
            return _erased(run, event)
        case _:
            assert_never(event)


def _deferred(run: Run, event: RunDeferred) -> dict[str, Any]:
    deferrals = run.deferrals if event.reason in {QUEUE_PAUSED, RATE} else run.deferrals + 1
    waits = {"status": RunStatus.WAITING, "reason": event.reason, "deferrals": deferrals}
    return waits | {"wake_at": event.wake_at}


def _started(event: AttemptStarted) -> dict[str, Any]:
    return {
        "status": RunStatus.RUNNING,
        "attempt": event.attempt,
        "deferrals": 0,
        "executor": event.executor,
        "started_at": event.at,
        "finished_at": None,
        "wake_at": event.wake_at,
    }


def _to_retry(run: Run, retry_at: datetime | None, now: datetime) -> dict[str, Any]:
    if run.held and retry_at is not None:
        return {"status": RunStatus.WAITING, "reason": HELD, "not_before": retry_at, "wake_at": retry_at}
    return {"status": RunStatus.RETRYING, "wake_at": retry_at or now}


def _held(run: Run, event: RunHeld) -> dict[str, Any]:
    if run.status in {RunStatus.RUNNING, RunStatus.WAITING}:
        return {"held": True}
    not_before = event.not_before or run.not_before
    return {"held": True, "status": RunStatus.WAITING, "reason": HELD, "not_before": not_before}


def _resumed(run: Run, event: RunResumed) -> dict[str, Any]:
    """A run that waited for nothing else is sent like a retry; with a key or a rate it is admitted first."""
    if event.wake_at is None:
        return {"held": False}
    changes: dict[str, Any] = {"held": False, "wake_at": event.wake_at}
    if run.reason == HELD and run.concurrency is None and run.rate is None:
        changes |= {"status": RunStatus.RETRYING, "reason": None}
    return changes


def _dead_lettered(event: RunDeadLettered) -> dict[str, Any]:
    return {
        "status": RunStatus.DEAD_LETTERED,
        "held": False,
        "fingerprint": event.fingerprint,
        "finished_at": event.at,
        "wake_at": event.wake_at,
    }


def _erased(run: Run, event: RunErased) -> dict[str, Any]:
    contents = ("payload", "result", "error", "fingerprint", "request_hash")
    without = dict.fromkeys(contents) | {"notify": replace(run.notify, to=())}
    return without | {"erased_at": event.at}


def _closed(at: datetime) -> dict[str, Any]:
    return {"finished_at": at, "wake_at": None, "held": False}


def _ended(event: RunExpired | RunDiscarded | RunCancelled) -> dict[str, Any]:
    status = {
        RunExpired: RunStatus.SKIPPED,
        RunDiscarded: RunStatus.DISCARDED,
        RunCancelled: RunStatus.CANCELLED,
    }
    return {"status": status[type(event)], "reason": event.reason} | _closed(event.at)


def _redriven(run: Run, event: RunRedriven) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "status": RunStatus.WAITING if event.waits else RunStatus.RETRYING,
        "failures": 0,
        "max_attempts": event.max_attempts,
        "reason": event.reason,
        "finished_at": None,
        "cancel_requested": False,
        "wake_at": event.at,
        "not_before": None,
    }
    if event.own_payload:
        changes |= {"payload": event.payload, "own_payload": True, "edits": run.edits + 1}
    return changes
