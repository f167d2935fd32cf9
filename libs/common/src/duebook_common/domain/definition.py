"""What a job's definition says: the task, the schedule and the policies. Values only; the API checks their form."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

Outcome = Literal["succeeded", "dead_lettered", "attempt_failed", "skipped", "missed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Cron:
    """At the wall-clock times that a cron expression names."""

    cron: str


@dataclass(frozen=True, slots=True)
class Every:
    """Again and again after that much real time, counted from `scheduled_at`."""

    every: timedelta


@dataclass(frozen=True, slots=True)
class Rrule:
    """At the wall-clock times that a recurrence rule of RFC 5545 names, from `scheduled_at` on."""

    rrule: str


Recurrence = Literal["none", "daily", "weekly"] | Cron | Every | Rrule


class Overlap(StrEnum):
    """What happens to an occurrence that is due while a run of its job is active."""

    SKIP = "skip"  # it is left out
    BUFFER_ONE = "buffer_one"  # one waits, the first; more are left out
    BUFFER_ALL = "buffer_all"  # all wait, one after the other
    CANCEL_OTHER = "cancel_other"  # it waits until the others, asked to stop, have done so
    TERMINATE_OTHER = "terminate_other"  # it starts at once, and no outcome of the others is accepted any more
    ALLOW_ALL = "allow_all"  # it starts beside them


@dataclass(frozen=True, slots=True)
class Dst:
    """How a wall clock is kept where the clocks change."""

    gap: Literal["run_after", "skip"] = "run_after"
    fold: Literal["first", "second", "both"] = "first"


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What happens to occurrences that were missed; those older than the window are skipped in any case."""

    policy: Literal["latest", "all", "none"] = "latest"
    window: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between attempts: initial * factor^n, at most `max`, spread by ± `jitter` (a share of the delay)."""

    initial: timedelta = timedelta(seconds=1)
    factor: float = 2
    max: timedelta = timedelta(hours=1)
    jitter: float = 0.2

    def delay(self, failures: int, chance: float) -> timedelta:
        """The wait after that many failures; `chance` in [0, 1) is the caller's random number."""
        seconds = self.initial.total_seconds() * float(self.factor) ** min(failures - 1, 64)
        capped = min(seconds, self.max.total_seconds())
        return timedelta(seconds=capped * (1 + self.jitter * (2 * chance - 1)))


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` runs with this key at once, of whatever job."""

    key: str
    limit: int = 1


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom to tell, and of which outcomes."""

    to: tuple[str, ...] = ()
    on: tuple[Outcome, ...] = ("succeeded", "dead_lettered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One job as its owner wants it; every default is already filled in. Times are UTC, durations exact."""

    name: str
    task: str = "log"
    payload: Any = field(default_factory=dict)
    scheduled_at: datetime
    recurrence: Recurrence = "none"
    timezone: str = "UTC"
    dst: Dst = Dst()
    ends_at: datetime | None = None
    max_runs: int | None = None
    max_retries: int = 3
    backoff: Backoff = Backoff()
    timeout: timedelta = timedelta(minutes=5)
    start_within: timedelta | None = None
    jitter: timedelta | None = None
    pause_on_failure: bool = False
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp()
    queue: str = "default"
    priority: int = 4
    concurrency: Concurrency | None = None
    notify: Notify = Notify()
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def recipients(self) -> tuple[str, ...]:
        """Whom the job itself names: `notify.to`, else `payload.to` where that is an address."""
        if self.notify.to:
            return self.notify.to
        to = self.payload.get("to") if isinstance(self.payload, dict) else None
        return (to,) if isinstance(to, str) and looks_like_address(to) else ()

    def same(self, other: "Definition") -> bool:
        """Whether both say the same; to Python 1, 1.0 and True are equal, in JSON they are not."""
        return self == other and _exact(self) == _exact(other)

    def same_schedule(self, other: "Definition") -> bool:
        """Whether both name the same nominal times, due at the same instants."""
        return _schedule(self) == _schedule(other)


def _exact(definition: Definition) -> str:
    return json.dumps([definition.payload, definition.metadata], sort_keys=True)


def _schedule(definition: Definition) -> tuple[object, ...]:
    d = definition
    return d.scheduled_at, d.recurrence, d.timezone, d.dst, d.ends_at, d.jitter


def looks_like_address(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    return bool(local and domain) and not any(c.isspace() or c in ',;<>"' for c in text) and len(text) <= 254
