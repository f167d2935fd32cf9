"""The attempts of a run and its lineage, from its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from duebook_api.console.pages.json_text import plain

_OUTCOMES = {
    "AttemptSucceeded": "succeeded",
    "AttemptFailed": "failed",
    "AttemptLost": "lost",
    "AttemptReleased": "released",
}
_LINEAGE = {"RunDeadLettered": "dead", "RunRedriven": "redriven", "RunDiscarded": "discarded"}


@dataclass(frozen=True, slots=True)
class RunEvent:
    """An event of a run as pages need it: `at` is when it happened, `by` who caused it."""

    type: str
    at: datetime
    recorded_at: datetime
    by: str
    bulk: str
    traceparent: str
    data: Mapping[str, Any]


def run_events(events: Iterable[Mapping[str, Any]]) -> list[RunEvent]:
    """Events as the API answers them."""
    return [_event(event, plain(event["data"]), event["meta"]) for event in events]


def _event(event: Mapping[str, Any], data: Mapping[str, Any], meta: Mapping[str, Any]) -> RunEvent:
    return RunEvent(
        type=event["type"],
        at=datetime.fromisoformat(data["at"]),
        recorded_at=event["recorded_at"],
        by=meta.get("actor", ""),
        bulk=meta.get("bulk", ""),
        traceparent=meta.get("traceparent", ""),
        data=data,
    )


@dataclass(frozen=True, slots=True)
class Attempt:
    """`ended_at` is None while it is running; `retry_at` is when the next one was planned."""

    number: int
    executor: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str = "running"
    error: str = ""
    retry_at: datetime | None = None

    @property
    def status(self) -> str:
        """Its look: a failure after which the run was retried is no dead letter."""
        if self.outcome in {"failed", "lost"}:
            return "retrying" if self.retry_at else "dead_lettered"
        return "cancelled" if self.outcome == "released" else self.outcome


def attempts_of(events: Iterable[RunEvent]) -> list[Attempt]:
    """The attempts in their order."""
    attempts: list[Attempt] = []
    for event in events:
        if event.type == "AttemptStarted":
            attempts.append(Attempt(event.data["attempt"], event.data["executor"], event.at))
        elif attempts and attempts[-1].ended_at is None and (outcome := _outcome(event)):
            attempts[-1] = _ended(attempts[-1], event, outcome)
    return attempts


def _outcome(event: RunEvent) -> str:
    """What the event makes of the attempt that is running; empty if nothing."""
    if event.type == "RunCancelled":
        return "cancelled"
    return _OUTCOMES.get(event.type, "")


def _ended(attempt: Attempt, event: RunEvent, outcome: str) -> Attempt:
    retry_at = event.data.get("retry_at")
    return replace(
        attempt,
        ended_at=max(event.at, attempt.started_at),
        outcome=outcome,
        error=event.data.get("error") or event.data.get("reason") or "",
        retry_at=datetime.fromisoformat(retry_at) if retry_at else None,
    )


@dataclass(frozen=True, slots=True)
class LineageStep:
    """A death, a redrive or a discard; `bulk` is the operation that did it."""

    word: str
    at: datetime
    by: str
    reason: str
    bulk: str
    edited: bool = False


def lineage_of(events: Iterable[RunEvent]) -> list[LineageStep]:
    """Like dead 02:52 → redriven by “ops” 03:01 → dead 03:09."""
    return [
        LineageStep(
            word=_LINEAGE[event.type],
            at=event.at,
            by="" if event.type == "RunDeadLettered" else event.by,
            reason="" if event.type == "RunDeadLettered" else event.data.get("reason") or "",
            bulk=event.bulk,
            edited=bool(event.data.get("own_payload")) and event.type == "RunRedriven",
        )
        for event in events
        if event.type in _LINEAGE
    ]
