"""The events of a queue's stream, and of the installation's: its pauses.

The names and fields of the events are the storage format: add fields with defaults, never rename.
"""

from dataclasses import dataclass
from datetime import datetime

INSTALLATION = "*"  # stands where a queue's name stands: a freeze pauses all queues


def stream(name: str) -> str:
    """The stream of a queue, or of the installation."""
    return "installation" if name == INSTALLATION else f"queue-{name}"


def name_of(stream: str) -> str:
    """The name for which `stream` gives this stream."""
    return INSTALLATION if stream == "installation" else stream.removeprefix("queue-")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePaused:
    """An operator paused the queue, or gave a pause another reason: none of its runs is sent or started."""

    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueResumed:
    """An operator resumed the queue. What fell due during the pause counts as due from now on."""

    reason: str | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """An operator froze the installation, or gave a freeze another reason: no run of any queue is sent or started."""

    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Thawed:
    """An operator ended the freeze. What fell due during it counts as due from now on."""

    reason: str | None = None
    at: datetime


QueueEvent = QueuePaused | QueueResumed | Frozen | Thawed
