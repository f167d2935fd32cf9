"""The state of a run. Its events lead to it, see `evolve`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Backoff, Concurrency, Notify, Rate
from duebook_common.domain.run.events import Trigger


class RunStatus(StrEnum):
    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    DEAD_LETTERED = "dead_lettered"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    DISCARDED = "discarded"


ENDED = frozenset({RunStatus.SUCCEEDED, RunStatus.CANCELLED, RunStatus.SKIPPED, RunStatus.DISCARDED})
HELD = "paused"  # the reason of a run that waits only because its job is held, or was
QUEUE_PAUSED = "queue"  # the reason of a run that waits because its queue is paused, or was
RATE = "rate"  # the reason of a run that waits because its key had as many starts as its rate allows


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run after its events. `attempt` only grows and is the fencing token."""

    id: UUID
    version: int
    job_id: UUID
    job_name: str
    job_version: int
    definition_version: int
    task: str
    queue: str
    priority: int
    nominal_at: datetime
    due_at: datetime
    trigger: Trigger
    max_attempts: int
    backoff: Backoff
    notify: Notify
    concurrency: Concurrency | None = None
    rate: Rate | None = None
    pause_on_failure: bool = False
    cause: UUID | None = None
    status: RunStatus
    created_at: datetime
    request_hash: str | None = None
    start_by: datetime | None = None
    backlog: bool = False
    resumed_at: datetime | None = None  # the end of the pause that kept it back, or behind whose backlog it waits
    held: bool = False  # no attempt starts until its job is resumed
    dispatch: int = 0
    dispatched_at: datetime | None = None
    deferrals: int = 0  # since the last attempt
    attempt: int = 0
    failures: int = 0
    executor: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: str | None = None
    result: Any = None
    reason: str | None = None
    cancel_requested: bool = False
    payload: Any = None
    own_payload: bool = False
    edits: int = 0
    fingerprint: str | None = None
    wake_at: datetime | None = None
    erased_at: datetime | None = None  # since then it has neither payload, result, error nor recipients of mails
    not_before: datetime | None = None  # when its next attempt was due as its job was paused with `hold`
    born: datetime | None = field(default=None, compare=False)  # the period of the log in which its stream lies

    @property
    def active(self) -> bool:
        """Neither ended nor dead-lettered; waiting runs and runs with retries ahead are active."""
        return self.status not in ENDED and self.status is not RunStatus.DEAD_LETTERED

    @property
    def admitted(self) -> bool:
        """Whether other runs of the job wait for this active one: it was sent, or waits for its task or resume only."""
        return self.status is not RunStatus.WAITING or self.reason in {"task", HELD, QUEUE_PAUSED}

    @property
    def fell_into_pause(self) -> bool:
        """Whether the run's queue was paused when it fell due: it is late for no other reason."""
        return self.in_backlog_since is not None and self.due_at < self.in_backlog_since

    @property
    def in_backlog_since(self) -> datetime | None:
        """`resumed_at` of a run that belongs to the backlog of a pause; a run that was a dead letter left it."""
        return self.resumed_at if self.fingerprint is None else None


def of_fields(values: Mapping[str, Any]) -> Run:
    """The run with these fields, which must be all. `Run(**values)` takes far longer: it sets each field by itself."""
    run = object.__new__(Run)
    run.__dict__.update(values)
    return run
