"""Invariant 2, from the log alone: no run starts beside others that its policy or its key forbids.

Judged without `overlap` and without the scheduler's own code: what `verify` trusts must not be what it checks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from duebook_common.domain.definition import Overlap
from duebook_common.domain.job.events import JobChanged, JobCreated
from duebook_common.domain.run.events import (
    BY_SCHEDULE,
    AttemptSucceeded,
    Identity,
    RunBuffered,
    RunCancelled,
    RunDeadLettered,
    RunDispatched,
    RunExpired,
    RunRedriven,
    RunRequeued,
)
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import COLUMNS, RecordedEvent

Fault = tuple[str, str]

_GONE = (AttemptSucceeded, RunExpired, RunCancelled, RunDeadLettered)
_ALONE = frozenset({Overlap.SKIP, Overlap.BUFFER_ONE, Overlap.BUFFER_ALL, Overlap.CANCEL_OTHER})

_OF_KEYS = f"""
SELECT runs.concurrency_key AS key, {", ".join(f"e.{column}" for column in COLUMNS.split(", "))}
FROM runs JOIN events e ON e.stream = 'run-' || runs.run_id
WHERE runs.concurrency_key IS NOT NULL
ORDER BY runs.concurrency_key, e.xid, e.position
"""  # noqa: S608


@dataclass(slots=True)
class _Active:
    """The runs that neither ended nor rest, by stream: those under way, and those that wait with what they wait for."""

    under_way: set[str] = field(default_factory=set)
    waiting: dict[str, RunBuffered | RunRedriven] = field(default_factory=dict)

    def follow(self, stream: str, event: object) -> None:
        if isinstance(event, RunDispatched | RunRequeued):
            self.waiting.pop(stream, None)
            self.under_way.add(stream)
        elif isinstance(event, RunBuffered) or (isinstance(event, RunRedriven) and event.waits):
            self.waiting[stream] = event
        elif isinstance(event, RunRedriven):
            self.under_way.add(stream)
        elif isinstance(event, _GONE):
            self.waiting.pop(stream, None)
            self.under_way.discard(stream)


def check_overlap(recorded: Sequence[RecordedEvent]) -> Iterator[Fault]:
    """A job's events in the order of the log: who starts beside others, though its policy says it may not."""
    policies: dict[int, Overlap] = {}
    active = _Active()
    for item in recorded:
        event = item.event
        if isinstance(event, JobCreated | JobChanged):
            policies[item.version] = event.definition.overlap
        others = active.under_way - {item.stream}
        if _must_be_alone(active, item.stream, event, policies) and others:
            yield item.stream, f"{type(event).__name__} beside {sorted(others)}"
        active.follow(item.stream, event)


def _must_be_alone(active: _Active, stream: str, event: object, policies: dict[int, Overlap]) -> bool:
    if isinstance(event, RunRequeued):
        waited = active.waiting.get(stream)
        return isinstance(waited, RunBuffered) and waited.reason == "overlap"
    by_schedule = isinstance(event, RunDispatched) and event.trigger in BY_SCHEDULE
    return by_schedule and isinstance(event, Identity) and policies.get(event.definition_at) in _ALONE


async def check_keys(db: Connection) -> list[Fault]:
    """Runs that started although as many as their key allows were under way."""
    faults: list[Fault] = []
    key, active = None, _Active()
    limits: dict[str, int] = {}
    async for record in db.cursor(_OF_KEYS, prefetch=2000):
        if record["key"] != key:
            key, active, limits = record["key"], _Active(), {}
        recorded = _recorded(record)
        event, stream = recorded.event, recorded.stream
        if isinstance(event, Identity) and event.concurrency is not None:
            limits[stream] = event.concurrency.limit
        before = len(active.under_way)
        active.follow(stream, event)
        if len(active.under_way) > before >= limits[stream]:
            faults.append(
                (stream, f"starts as number {before + 1} under the key {key!r}, which allows {limits[stream]}")
            )
    return faults


def _recorded(record: Any) -> RecordedEvent:
    return RecordedEvent(**{name: record[name] for name in COLUMNS.split(", ")})
