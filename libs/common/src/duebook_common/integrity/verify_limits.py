"""Invariant 2: no run is sent while other runs are active that its overlap policy or its concurrency key forbids.

And a caught-up run leaves out no occurrence.

Checked by the log alone, without `overlap` and without the scheduler: the check must not trust what it checks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from duebook_common.domain.definition import Definition, Overlap
from duebook_common.domain.job.events import JobChanged, JobCreated
from duebook_common.domain.run.events import (
    BY_SCHEDULE,
    AttemptFailed,
    AttemptLost,
    AttemptReleased,
    AttemptStarted,
    AttemptSucceeded,
    Identity,
    RunBuffered,
    RunCancelled,
    RunDeadLettered,
    RunDeferred,
    RunDispatched,
    RunExpired,
    RunHeld,
    RunRedriven,
    RunRequeued,
    RunResumed,
    RunSkipped,
    Trigger,
)
from duebook_common.integrity.breach import Breach, Invariant
from duebook_common.integrity.verified import Verified
from duebook_common.store.database import Connection
from duebook_common.store.eventstore import COLUMNS, RecordedEvent

NO_LONGER_ACTIVE = (AttemptSucceeded, RunExpired, RunCancelled, RunDeadLettered)
_ALONE = frozenset({Overlap.SKIP, Overlap.BUFFER_ONE, Overlap.BUFFER_ALL, Overlap.CANCEL_OTHER})

_EVENTS_BY_KEY = f"""
SELECT runs.concurrency_key AS key, {", ".join(f"e.{column}" for column in COLUMNS.split(", "))}
FROM runs JOIN events e ON e.stream = 'run-' || runs.run_id AND e.born = runs.born
WHERE runs.concurrency_key IS NOT NULL AND ($1::xid8 IS NULL OR runs.wake_at IS NOT NULL OR EXISTS (
    SELECT FROM events AS new
    WHERE new.stream = e.stream AND new.born = e.born AND (new.xid, new.position) > ($1::xid8, $2)
))
ORDER BY runs.concurrency_key, e.xid, e.position
"""  # noqa: S608


@dataclass(slots=True)
class _ActiveRuns:
    """The active runs at a position of the log, by stream: the sent ones, and the waiting ones with the reason."""

    sent: set[str] = field(default_factory=set)
    waiting: dict[str, RunBuffered | RunRedriven | RunDeferred] = field(default_factory=dict)

    def apply(self, stream: str, event: object) -> None:
        if isinstance(event, RunDispatched | RunRequeued):
            self.waiting.pop(stream, None)
            self.sent.add(stream)
        elif isinstance(event, RunBuffered) or (isinstance(event, RunRedriven) and event.waits):
            self.waiting[stream] = event
        elif isinstance(event, RunDeferred):
            self.sent.discard(stream)
            self.waiting[stream] = event
        elif isinstance(event, RunRedriven):
            self.sent.add(stream)
        elif isinstance(event, NO_LONGER_ACTIVE):
            self.waiting.pop(stream, None)
            self.sent.discard(stream)

    @property
    def beside(self) -> set[str]:
        """The runs that other runs of the job must wait for: the sent ones, and those that wait for no other run."""
        return self.sent | {stream for stream, event in self.waiting.items() if _comes_first(event)}


def _comes_first(event: object) -> bool:
    """Whether the run waits for its task or for the resume of its queue only."""
    return isinstance(event, RunDeferred | RunBuffered) and event.reason in {"task", "queue"}


@dataclass(slots=True)
class _SlotHolders(_ActiveRuns):
    """The runs that hold a slot of a key are the sent ones; a held run gives it back unless an attempt is running."""

    running: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)

    def apply(self, stream: str, event: object) -> None:
        _ActiveRuns.apply(self, stream, event)
        if isinstance(event, AttemptStarted):
            self.running.add(stream)
        elif isinstance(event, AttemptFailed | AttemptLost | AttemptReleased | RunDeadLettered):
            self.running.discard(stream)
        if isinstance(event, RunHeld):
            self.held.add(stream)
        elif isinstance(event, RunResumed | RunDeadLettered):
            self.held.discard(stream)
        if stream in self.held - self.running:
            self.sent.discard(stream)


@dataclass(slots=True)
class _CaughtUp:
    """The active caught-up runs of a job, by stream, and whether an ordinary run got an event since they were opened.

    An ordinary run that ends while a decision is made may stand before that decision in the log. So only where there
    was none at all, or the policy is `all`, it is certain that a caught-up run left an occurrence out. Those that a
    pause of the queue `kept` back leave none out, whatever the policies.
    """

    active: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    had_ordinary: bool = False

    def apply(self, stream: str, event: object) -> None:
        if isinstance(event, RunBuffered | RunDispatched) and event.trigger is Trigger.CATCH_UP:
            self.had_ordinary = self.had_ordinary and bool(self.active)
            self.active.add(stream)
        elif isinstance(event, RunBuffered | RunDispatched) and _fell_into_pause(event):
            self.kept.add(stream)
        elif isinstance(event, NO_LONGER_ACTIVE):
            self.active.discard(stream)
            self.kept.discard(stream)
        if stream.startswith("run-") and stream not in self.active:
            self.had_ordinary = True

    def left_out(self, event: object, policies: dict[int, Definition]) -> bool:
        if not isinstance(event, RunSkipped) or event.reason != "overlap" or event.trigger not in BY_SCHEDULE:
            return False
        definition = policies.get(event.definition_at)
        by_all = definition is not None and definition.catch_up.policy == "all"
        return bool(self.kept) or (bool(self.active) and (by_all or not self.had_ordinary))


def _fell_into_pause(event: RunBuffered | RunDispatched) -> bool:
    return event.resumed_at is not None and event.due_at < event.resumed_at


def check_overlap(recorded: Sequence[RecordedEvent]) -> Iterator[Breach]:
    """The runs of one job that were sent while others were active, although their policy forbids that.

    `recorded` are the events of the job and of its runs, in the order of the log.
    """
    policies: dict[int, Definition] = {}
    active, caught_up = _ActiveRuns(), _CaughtUp()
    for item in recorded:
        event = item.event
        if isinstance(event, JobCreated | JobChanged):
            policies[item.version] = event.definition
        others = active.beside - {item.stream}
        if others and _must_be_alone(active, item.stream, event, policies):
            says = f"{type(event).__name__} while {sorted(others)} were active"
            yield Breach(Invariant.LIMITS, item.stream, says)
        if caught_up.left_out(event, policies):
            others = caught_up.active | caught_up.kept
            yield Breach(Invariant.LIMITS, item.stream, f"skipped while {sorted(others)} were caught up")
        active.apply(item.stream, event)
        caught_up.apply(item.stream, event)


def _must_be_alone(active: _ActiveRuns, stream: str, event: object, policies: dict[int, Definition]) -> bool:
    if isinstance(event, RunRequeued):
        waited = active.waiting.get(stream)
        return isinstance(waited, RunBuffered) and waited.reason == "overlap"
    if not isinstance(event, RunDispatched) or event.trigger not in BY_SCHEDULE:
        return False
    definition = policies.get(event.definition_at)
    return definition is not None and definition.overlap in _ALONE


async def check_keys(db: Connection, since: Verified | None = None) -> list[Breach]:
    """The runs that were sent although all slots of their concurrency key were taken.

    With `since` only runs that have events after it are looked at, and those that are active.
    """
    breaches: list[Breach] = []
    key, active = None, _SlotHolders()
    limits: dict[str, int] = {}
    after = (None, None) if since is None else (since.xid, since.position)
    async for record in db.cursor(_EVENTS_BY_KEY, *after, prefetch=2000):
        if record["key"] != key:
            key, active, limits = record["key"], _SlotHolders(), {}
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
