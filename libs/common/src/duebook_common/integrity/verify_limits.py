"""Invariant 2: no run is sent while other runs are active that its overlap policy or its concurrency key forbids.

Checked by the log alone, without `overlap` and without the scheduler: the check must not trust what it checks.
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
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import COLUMNS, RecordedEvent

_NO_LONGER_ACTIVE = (AttemptSucceeded, RunExpired, RunCancelled, RunDeadLettered)
_ALONE = frozenset({Overlap.SKIP, Overlap.BUFFER_ONE, Overlap.BUFFER_ALL, Overlap.CANCEL_OTHER})

_EVENTS_BY_KEY = f"""
SELECT runs.concurrency_key AS key, {", ".join(f"e.{column}" for column in COLUMNS.split(", "))}
FROM runs JOIN events e ON e.stream = 'run-' || runs.run_id
WHERE runs.concurrency_key IS NOT NULL
ORDER BY runs.concurrency_key, e.xid, e.position
"""  # noqa: S608


@dataclass(slots=True)
class _ActiveRuns:
    """The active runs at a position of the log, by stream: the sent ones, and the waiting ones with the reason."""

    sent: set[str] = field(default_factory=set)
    waiting: dict[str, RunBuffered | RunRedriven] = field(default_factory=dict)

    def apply(self, stream: str, event: object) -> None:
        if isinstance(event, RunDispatched | RunRequeued):
            self.waiting.pop(stream, None)
            self.sent.add(stream)
        elif isinstance(event, RunBuffered) or (isinstance(event, RunRedriven) and event.waits):
            self.waiting[stream] = event
        elif isinstance(event, RunRedriven):
            self.sent.add(stream)
        elif isinstance(event, _NO_LONGER_ACTIVE):
            self.waiting.pop(stream, None)
            self.sent.discard(stream)


def check_overlap(recorded: Sequence[RecordedEvent]) -> Iterator[Breach]:
    """The runs of one job that were sent while others were active, although their policy forbids that.

    `recorded` are the events of the job and of its runs, in the order of the log.
    """
    policies: dict[int, Overlap] = {}
    active = _ActiveRuns()
    for item in recorded:
        event = item.event
        if isinstance(event, JobCreated | JobChanged):
            policies[item.version] = event.definition.overlap
        others = active.sent - {item.stream}
        if others and _must_be_alone(active, item.stream, event, policies):
            says = f"{type(event).__name__} while {sorted(others)} were active"
            yield Breach(Invariant.LIMITS, item.stream, says)
        active.apply(item.stream, event)


def _must_be_alone(active: _ActiveRuns, stream: str, event: object, policies: dict[int, Overlap]) -> bool:
    if isinstance(event, RunRequeued):
        waited = active.waiting.get(stream)
        return isinstance(waited, RunBuffered) and waited.reason == "overlap"
    return (
        isinstance(event, RunDispatched)
        and event.trigger in BY_SCHEDULE
        and policies.get(event.definition_at) in _ALONE
    )


async def check_keys(db: Connection) -> list[Breach]:
    """The runs that were sent although all slots of their concurrency key were taken."""
    breaches: list[Breach] = []
    key, active = None, _ActiveRuns()
    limits: dict[str, int] = {}
    async for record in db.cursor(_EVENTS_BY_KEY, prefetch=2000):
        if record["key"] != key:
            key, active, limits = record["key"], _ActiveRuns(), {}
        recorded = _recorded(record)
        event, stream = recorded.event, recorded.stream
        if isinstance(event, Identity) and event.concurrency is not None:
            limits[stream] = event.concurrency.limit
        before = len(active.sent)
        active.apply(stream, event)
        if len(active.sent) > before >= limits[stream]:
            says = f"starts as number {before + 1} under the key {key!r}, which allows {limits[stream]}"
            breaches.append(Breach(Invariant.LIMITS, stream, says))
    return breaches


def _recorded(record: Any) -> RecordedEvent:
    return RecordedEvent(**{name: record[name] for name in COLUMNS.split(", ")})
