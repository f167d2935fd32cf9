"""What a task says of the jobs that name it: values for the fields that they leave out."""

import re
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from duebook.durations import iso_duration

_QUEUE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_MOST_RETRIES = 1000


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between attempts: `initial` times `factor` for each failure but the first, at most `max`.

    Durations are timedeltas. `jitter` is the share of the delay, from 0 to 1, by which it varies in both directions.
    Raises ValueError.
    """

    initial: timedelta = timedelta(seconds=1)
    factor: float = 2
    max: timedelta = timedelta(hours=1)
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if min(self.initial, self.max) <= timedelta(0):
            raise ValueError("initial and max of a backoff must be longer than 0")
        if not 1 <= self.factor <= 1000:
            raise ValueError(f"the factor of a backoff must lie between 1 and 1000, got {self.factor}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"the jitter of a backoff must lie between 0 and 1, got {self.jitter}")

    def delay(self, failures: int, chance: float) -> timedelta:
        """The delay after that many failures. `chance` is a random number in [0, 1)."""
        seconds = self.initial.total_seconds() * float(self.factor) ** min(failures - 1, 64)
        capped = min(seconds, self.max.total_seconds())
        return timedelta(seconds=capped * (1 + self.jitter * (2 * chance - 1)))


@dataclass(frozen=True, slots=True)
class Defaults:
    """Defaults of the jobs that name a task; None where the task says nothing. Raises ValueError."""

    queue: str | None = None
    timeout: timedelta | None = None
    max_retries: int | None = None
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        if self.queue is not None and not _QUEUE.fullmatch(self.queue):
            raise ValueError(f"queue {self.queue!r} does not match {_QUEUE.pattern}")
        if self.timeout is not None and self.timeout <= timedelta(0):
            raise ValueError("timeout must be longer than 0")
        if self.max_retries is not None and not 0 <= self.max_retries <= _MOST_RETRIES:
            raise ValueError(f"max_retries must lie between 0 and {_MOST_RETRIES}, got {self.max_retries}")

    def json(self) -> dict[str, Any]:
        """The fields that the task names, as the API takes them."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: _json(value) for name, value in named.items() if value is not None}


def _json(value: Any) -> Any:
    match value:
        case timedelta():
            return iso_duration(value)
        case Backoff():
            return {each.name: _json(getattr(value, each.name)) for each in fields(value)}
        case _:
            return value
