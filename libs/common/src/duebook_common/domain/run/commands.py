"""The commands of a run, from executors, schedulers and people. `decide` turns them into events."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class StartAttempt:
    dispatch: int
    executor: str
    lease: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class DeferRun:
    """The executor that received the run cannot start it: without its task, with its queue paused, or by its rate.

    `chance` in [0, 1) varies the delay. `rate_wait` is how long its rate allows no further start.
    """

    dispatch: int
    executor: str
    now: datetime
    chance: float
    queue_paused: bool = False
    rate_wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Succeed:
    attempt: int
    result: Any
    now: datetime


@dataclass(frozen=True, slots=True)
class FailAttempt:
    """`delay` replaces the backoff, which `chance` in [0, 1) varies; `retry` False dead-letters the run at once.

    `acknowledged`: its message is gone already, so a dead letter needs another one now.
    """

    attempt: int
    error: str
    now: datetime
    chance: float
    retry: bool = True
    delay: timedelta | None = None
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseAttempt:
    attempt: int
    now: datetime


@dataclass(frozen=True, slots=True)
class ConfirmCancel:
    """`given_up`: the attempt's code did not stop, and may still be running."""

    attempt: int
    now: datetime
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class WakeRun:
    """The run's `wake_at` has passed. `job_deleted`: no attempt may start any more.

    `free`: nothing holds a waiting run back; the caller holds the locks of its job and of its concurrency key.
    `look_again_after`: how long the run may wait for its start before the scheduler checks for its message.
    `has_executor`: an executor of the run's queue has its task; otherwise the run waits for one.
    `queue_paused`: the run waits for the resume of its queue.
    """

    now: datetime
    chance: float
    look_again_after: timedelta
    job_deleted: bool = False
    free: bool = False
    has_executor: bool = True
    queue_paused: bool = False


@dataclass(frozen=True, slots=True)
class LoseAttempt:
    """The executor of the attempt has ended: `ended_at` (UTC) is when. `chance` in [0, 1) varies the backoff."""

    executor: str
    ended_at: datetime
    now: datetime
    chance: float


@dataclass(frozen=True, slots=True)
class CancelRun:
    reason: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class TerminateRun:
    """End the run at once. A later outcome of its attempt is refused."""

    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class RedriveRun:
    """Try a dead letter again. `payload` counts if `own_payload` is set.

    With `max_active` it is refused if the job would then have more active runs than that.
    """

    reason: str | None
    max_attempts: int
    now: datetime
    payload: Any = None
    own_payload: bool = False
    max_active: int | None = None


@dataclass(frozen=True, slots=True)
class DiscardRun:
    reason: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class EraseRun:
    """Erase the contents of a run that has ended.

    `pending`: its outcome is still to be mailed, or its follow-ups are to be triggered.
    """

    reason: str | None
    now: datetime
    pending: bool = False


@dataclass(frozen=True, slots=True)
class HoldRun:
    """Start no attempt until ResumeRun. Only a decision about the job gives it, under the job's lock."""

    now: datetime


@dataclass(frozen=True, slots=True)
class ResumeRun:
    now: datetime


RunCommand = (
    StartAttempt
    | DeferRun
    | Succeed
    | FailAttempt
    | ReleaseAttempt
    | ConfirmCancel
    | WakeRun
    | LoseAttempt
    | CancelRun
    | TerminateRun
    | RedriveRun
    | DiscardRun
    | EraseRun
    | HoldRun
    | ResumeRun
)
