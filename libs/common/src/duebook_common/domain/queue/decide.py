"""The decisions about pauses. A repeated command decides nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from duebook_common.domain.queue.events import (
    INSTALLATION,
    Frozen,
    QueueEvent,
    QueuePaused,
    QueueResumed,
    Thawed,
)
from duebook_common.domain.queue.state import Pause

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PauseQueue:
    """Pause the queue, or the whole installation; or give the pause that goes on another reason."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class ResumeQueue:
    reason: str | None = None


QueueCommand = PauseQueue | ResumeQueue


def decide(name: str, last: Pause | None, command: QueueCommand, now: datetime) -> list[QueueEvent]:
    """The events that the command causes; none if it is a repeat. `last` is the last pause of this name."""
    paused = last is not None and last.going_on
    match command:
        case PauseQueue():
            if last is not None and paused and command.reason in {None, last.reason}:
                return []
            pause = Frozen if name == INSTALLATION else QueuePaused
            return [pause(reason=command.reason, at=_after(last, now))]
        case ResumeQueue():
            if not paused:
                return []
            resume = Thawed if name == INSTALLATION else QueueResumed
            return [resume(reason=command.reason, at=_after(last, now))]
        case _:
            assert_never(command)


def _after(last: Pause | None, now: datetime) -> datetime:
    """`now`, or just after the last event if the database's clock has been set back: pauses do not overlap."""
    return now if last is None else max(now, (last.until or last.since) + _INSTANT)
