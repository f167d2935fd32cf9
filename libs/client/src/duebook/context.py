"""The context of an attempt: what a task may know of it, and what it can say of itself."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isnan
from typing import Any, Literal, Protocol, get_args
from uuid import UUID

from duebook.json_values import plain, size, stored_text

Level = Literal["debug", "info", "warning", "error"]
"""How important a log line is."""

LONGEST_LINE = 8_192
"""Characters of a log line."""
LARGEST_FIELDS = 8_192
"""Bytes of JSON of the fields of a log line."""
LARGEST_CHECKPOINT = 64 * 1024
"""Bytes of JSON."""
LONGEST_PROGRESS = 200
"""Characters of the text of a progress."""

_LEVELS = get_args(Level)


@dataclass(frozen=True, slots=True)
class Line:
    """One log line, as it can be stored."""

    message: str
    level: Level
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt has come: a share from 0 to 1 or None, and a text."""

    share: float | None
    text: str


class Sink(Protocol):
    """Takes what a task says of itself. Called in the task's own thread; must neither block nor raise."""

    def log(self, line: Line) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def checkpoint(self, value: Any) -> None: ...


class PrintingSink:
    """The sink of a context that a test made by hand: lines and progress are printed, checkpoints are dropped."""

    def log(self, line: Line) -> None:
        print(line.message, *(f"{name}={value}" for name, value in line.fields.items()))  # noqa: T201

    def progress(self, progress: Progress) -> None:
        print(progress.share, progress.text)  # noqa: T201

    def checkpoint(self, value: Any) -> None:
        """Dropped: no other attempt follows."""


@dataclass(frozen=True)
class Context:
    """What a task may know about its attempt, and what it can say. All of it may be used from any thread."""

    run_id: UUID
    job_id: UUID
    attempt: int
    """From 1 on."""
    nominal_at: datetime
    """The nominal time of the run (UTC)."""
    idempotency_key: str
    """The same for every attempt of the run. Pass it to each service that must not act twice."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The trace context, as `traceparent` and `tracestate`."""
    deadline: datetime | None = None
    """When the attempt times out (UTC)."""
    last_checkpoint: Any = None
    """The last checkpoint of the attempts before, as plain JSON; None without one."""
    sink: Sink = field(default_factory=PrintingSink, repr=False, compare=False)
    stopping: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)
    """Is set once the attempt was cancelled or has timed out."""

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was cancelled or has timed out. Nothing can stop a `def`, so a long one has to look."""
        return self.stopping.is_set()

    def log(self, message: object, level: Level = "info", **fields: Any) -> None:
        """Write a line to the job log, with a level and fields of your own.

        A line has at most 8,192 characters and 8 KiB of fields. A field that JSON cannot hold is kept as text, and an
        unknown level as `info`. Never raises.
        """
        kept = level if level in _LEVELS else "info"
        self.sink.log(Line(stored_text(_printed(message))[:LONGEST_LINE], kept, _bounded_fields(fields)))

    def progress(self, share: float | None, text: object = "") -> None:
        """Say how far the attempt has come: a share from 0 to 1, or None if it is unknown, and a short text.

        Only the last one is kept, and shown within about a second. A share beyond 0 or 1 counts as 0 or 1, and a text
        is cut at 200 characters. Never raises.
        """
        self.sink.progress(Progress(_share(share), stored_text(_printed(text))[:LONGEST_PROGRESS]))

    def checkpoint(self, value: Any) -> None:
        """Keep a JSON value of at most 64 KiB for the next attempt of the run, which finds it as `last_checkpoint`.

        It is stored within about a second, and before the attempt ends; until then the death of the executor can lose
        it. None deletes the last one. Raises ValueError or TypeError for a value that is too large or no JSON.
        """
        kept = plain(value)
        if (bytes_ := size(kept)) > LARGEST_CHECKPOINT:
            raise ValueError(f"a checkpoint has at most {LARGEST_CHECKPOINT} bytes of JSON; this one has {bytes_}")
        self.sink.checkpoint(kept)


def _share(share: float | None) -> float | None:
    try:
        return None if share is None or isnan(share) else min(max(float(share), 0.0), 1.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _printed(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"a {type(value).__name__} that cannot be printed"


def _bounded_fields(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    if not fields:
        return fields
    kept = {stored_text(name): _field(value) for name, value in fields.items()}
    return kept if size(kept) <= LARGEST_FIELDS else {"dropped": f"the fields were larger than {LARGEST_FIELDS} bytes"}


def _field(value: Any) -> Any:
    try:
        return plain(value)
    except Exception:
        return stored_text(_printed(value))[:LARGEST_FIELDS]
