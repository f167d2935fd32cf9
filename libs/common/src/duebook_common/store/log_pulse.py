"""One question for all subscribers of a process that are at rest: has the log grown?"""

import time
from datetime import timedelta
from typing import NamedTuple

from duebook_common.store.checkpoints import Checkpoint, end_of_log, has_new_events
from duebook_common.store.database import Pool, acquire

_IDLE_AFTER_SECONDS = 10.0
_TRUSTED_SECONDS = 5.0  # then a subscriber looks at its checkpoint too, which a rebuild may have reset


class _Rest(NamedTuple):
    """A subscriber had nothing to do while this was the end of the log."""

    end: Checkpoint | None
    since: float


class LogPulse:
    """Remembers the end of the log for so many seconds: `busy` if it has grown lately, else `idle`.

    What becomes readable later lies after the end, because readers stay below the horizon. So a subscriber that had
    nothing to do has nothing to do as long as the end stays.
    """

    def __init__(self, pool: Pool, busy: float = 0.0, idle: float = 0.0) -> None:
        self._pool, self._busy, self._idle = pool, busy, idle
        self._end: Checkpoint | None = None
        self._read_at = self._grown_at = -_IDLE_AFTER_SECONDS
        self._rests: dict[str, _Rest] = {}

    async def has_new_events(self, subscriber: str) -> bool:
        """Whether the log has events for the subscriber, or its checkpoint lies ahead, which `claim` tells."""
        end, now, rest = await self._read_end(), time.monotonic(), self._rests.get(subscriber)
        if rest is not None and rest.end == end and now - rest.since < _TRUSTED_SECONDS:
            return False
        async with acquire(self._pool) as db:
            found = await has_new_events(db, subscriber)
        if not found:
            self._rests[subscriber] = _Rest(end, now)
        return found

    async def has_grown(self, reader: str, seconds: float) -> bool:
        """For a reader without a checkpoint: whether the log has grown, or the last True was so many seconds ago."""
        end, now, rest = await self._read_end(), time.monotonic(), self._rests.get(reader)
        if rest is not None and rest.end == end and now - rest.since < seconds:
            return False
        self._rests[reader] = _Rest(end, now)
        return True

    def pause(self, busy: timedelta) -> timedelta:
        """How long a subscriber rests: `busy`, and at least as long as the end is remembered if that has not grown."""
        is_busy = time.monotonic() - self._grown_at < _IDLE_AFTER_SECONDS
        return busy if is_busy else max(busy, timedelta(seconds=self._idle))

    async def _read_end(self) -> Checkpoint | None:
        now = time.monotonic()
        good_for = self._busy if now - self._grown_at < _IDLE_AFTER_SECONDS else self._idle
        if now - self._read_at < good_for:
            return self._end
        async with acquire(self._pool) as db:
            end = await end_of_log(db)
        self._grown_at = now if end != self._end else self._grown_at
        self._end, self._read_at = end, now
        return end
