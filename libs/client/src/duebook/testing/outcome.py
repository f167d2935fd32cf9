"""What a test sees of a run: its end, its attempts, and what the task has said."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from duebook.context import Line, Progress


@dataclass(frozen=True)
class AttemptOutcome:
    """One attempt. `delay` is that before the next attempt, None where no attempt follows."""

    number: int
    started_at: datetime
    status: Literal["succeeded", "failed", "cancelled"]
    error: str | None = None
    delay: timedelta | None = None
    lines: Sequence[Line] = ()
    progress: Sequence[Progress] = ()
    """All that it reported; Duebook keeps the last one."""
    checkpoints: Sequence[Any] = ()
    """All that it kept; the next attempt gets the last one."""
    given_up: bool = False
    """It was asked to stop, and did not."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    status: Literal["succeeded", "dead_lettered", "cancelled"]
    result: Any
    """What the task returned, as JSON; None unless it succeeded."""
    attempts: Sequence[AttemptOutcome]

    @property
    def error(self) -> str | None:
        """The error of the last attempt."""
        return self.attempts[-1].error

    @property
    def delays(self) -> Sequence[timedelta]:
        """The delays between the attempts."""
        return [each.delay for each in self.attempts if each.delay is not None]

    @property
    def messages(self) -> Sequence[str]:
        """The messages of the log lines of all attempts."""
        return [line.message for each in self.attempts for line in each.lines]

    @property
    def progress(self) -> Progress | None:
        """The progress that the last attempt reported last."""
        return next(reversed(self.attempts[-1].progress), None)
