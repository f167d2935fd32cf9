"""A job's definition: the task, the schedule and the policies. Plain values; the API validates them."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from duebook_common.domain.addresses import is_address

Outcome = Literal["succeeded", "dead_lettered", "attempt_failed", "skipped", "missed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Cron:
    """At the local times that a cron expression matches."""

    cron: str


@dataclass(frozen=True, slots=True)
class Every:
    """At a fixed interval of real time, counted from `scheduled_at`."""

    every: timedelta


@dataclass(frozen=True, slots=True)
class Rrule:
    """At the local times that a recurrence rule (RFC 5545) generates, starting at `scheduled_at`."""

    rrule: str


Recurrence = Literal["none", "daily", "weekly"] | Cron | Every | Rrule


class Overlap(StrEnum):
    """What happens to an occurrence that is due while another run of its job is active."""

    SKIP = "skip"  # it is skipped
    BUFFER_ONE = "buffer_one"  # it waits; if one waits already, it is skipped
    BUFFER_ALL = "buffer_all"  # it waits, after all that wait already
    CANCEL_OTHER = "cancel_other"  # it waits until the other runs, which are asked to stop, have ended
    TERMINATE_OTHER = "terminate_other"  # it starts at once; the other runs are cancelled, their outcomes refused
    ALLOW_ALL = "allow_all"  # it starts at once, alongside the others


@dataclass(frozen=True, slots=True)
class Dst:
    """What happens to a local time that a DST transition skips (`gap`) or repeats (`fold`)."""

    gap: Literal["run_after", "skip"] = "run_after"
    fold: Literal["first", "second", "both"] = "first"


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Which missed occurrences are run late. Those older than the window are skipped under every policy."""

    policy: Literal["latest", "all", "none"] = "latest"
    window: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between attempts: `initial` times `factor` for each failure but the first, at most `max`.

    `jitter` is the share of the delay, from 0 to 1, by which it varies in both directions.
    """

    initial: timedelta = timedelta(seconds=1)
    factor: float = 2
    max: timedelta = timedelta(hours=1)
    jitter: float = 0.2

    def delay(self, failures: int, chance: float) -> timedelta:
        """The delay after that many failures. `chance` is a random number in [0, 1)."""
        seconds = self.initial.total_seconds() * float(self.factor) ** min(failures - 1, 64)
        capped = min(seconds, self.max.total_seconds())
        return timedelta(seconds=capped * (1 + self.jitter * (2 * chance - 1)))


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` runs with this key at once, over all jobs."""

    key: str
    limit: int = 1


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` starts with this key in any span of the length `per`, over all jobs."""

    key: str
    limit: int
    per: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Notify:
    """The recipients of mails about runs, and the outcomes that they are about."""

    to: tuple[str, ...] = ()
    on: tuple[Outcome, ...] = ("succeeded", "dead_lettered")


TASK_DEFAULTS = ("queue", "timeout", "max_retries", "backoff")
"""The fields of a job whose default a task may choose."""

RunEnd = Literal["succeeded", "dead_lettered", "cancelled", "skipped", "discarded"]


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A run of `job`, an id or `key:` and a key, for each run that ends as `on` says.

    With `payload` result it gets the result of a run that succeeded; else the payload of its own definition.
    """

    job: str
    on: tuple[RunEnd, ...] = ("succeeded",)
    payload: Literal["result"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One job as a client defined it, with all defaults filled in. Times are in UTC."""

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
    rate: Rate | None = None
    notify: Notify = Notify()
    then: tuple[FollowUp, ...] = ()
    keep: timedelta | None = None
    key: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = field(default=TASK_DEFAULTS, compare=False)
    """Those of `TASK_DEFAULTS` that the client did not name: they have a default, maybe of the task. A later request
    that leaves them out as well does not change them, so that the same body twice changes nothing."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """The recipients that the job itself has: `notify.to`, else `payload.to` if that is an address."""
        if self.notify.to:
            return self.notify.to
        to = self.payload.get("to") if isinstance(self.payload, dict) else None
        return (to,) if isinstance(to, str) and is_address(to) else ()

    def same(self, other: "Definition") -> bool:
        """Whether both are equal as JSON, where 1, 1.0 and true differ; in Python they are equal."""
        return self == other and _exact(self) == _exact(other)

    def same_schedule(self, other: "Definition") -> bool:
        """Whether both have the same nominal times, due at the same instants."""
        return _schedule(self) == _schedule(other)


def _exact(definition: Definition) -> str:
    return json.dumps([definition.payload, definition.metadata], sort_keys=True)


def _schedule(definition: Definition) -> tuple[object, ...]:
    d = definition
    return d.scheduled_at, d.recurrence, d.timezone, d.dst, d.ends_at, d.jitter
