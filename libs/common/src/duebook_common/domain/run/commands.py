"""What may be asked of a run, by executors, schedulers and people. `decide` judges it."""

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
class Succeed:
    attempt: int
    result: Any
    now: datetime


@dataclass(frozen=True, slots=True)
class FailAttempt:
    """`delay` overrules the backoff; `retry` False goes straight to the dead letters."""

    attempt: int
    error: str
    now: datetime
    chance: float
    retry: bool = True
    delay: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ReleaseAttempt:
    attempt: int
    now: datetime


@dataclass(frozen=True, slots=True)
class ConfirmCancel:
    attempt: int
    now: datetime


@dataclass(frozen=True, slots=True)
class WakeRun:
    """The run's `wake_at` has passed. `job_deleted`: nothing of it may start any more.

    `free`: nothing stands in a waiting run's way; whoever says so holds the locks of its job and of its key.
    """

    now: datetime
    chance: float
    patience: timedelta  # how long the new message may stay unheard
    job_deleted: bool = False
    free: bool = False


@dataclass(frozen=True, slots=True)
class CancelRun:
    reason: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class TerminateRun:
    """End the run at once: an outcome of its attempt, should it still come, is refused."""

    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class RedriveRun:
    """`delay` spreads many over time."""

    reason: str | None
    max_attempts: int
    now: datetime
    payload: Any = None
    own_payload: bool = False
    delay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class DiscardRun:
    reason: str | None
    now: datetime


RunCommand = (
    StartAttempt
    | Succeed
    | FailAttempt
    | ReleaseAttempt
    | ConfirmCancel
    | WakeRun
    | CancelRun
    | TerminateRun
    | RedriveRun
    | DiscardRun
)
