"""Where a look for due rows begins. Pure: `LaneReader` in `lanes` reads.

While a snapshot of this database stays open, PostgreSQL keeps the index entries of all rows that died since, and a look
from the beginning of a lane steps over them: at hundreds of jobs a second over millions. So most looks begin at the
watermark of each lane. What is committed below it later is found by the next full look. Full looks take a fiftieth of
the time at most. While they are quick, as always without such a snapshot, each look is a full one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from duebook_scheduler.pace import LONGEST, Pace

MARGIN = timedelta(seconds=1)
"""A watermark lies at least so far back: a transaction takes its time from the clock to its commit."""
_TOO_LONG = 5.0  # seconds; an operator may cancel a statement too
_QUICK, _QUICK_LANE = 0.001, 0.00003  # seconds; a look that begins at watermarks probes each lane twice


class Lane(NamedTuple):
    """A queue at one priority. No row wakes before `first` (UTC) as far as the look went; mostly one does then."""

    queue: str
    priority: int
    first: datetime


class LaneId(NamedTuple):
    queue: str
    priority: int


class Looks:
    """The watermarks of the lanes of one table, and when the next full look is due. `clock`: monotonic, in seconds."""

    def __init__(self) -> None:
        self._watermarks: dict[LaneId, datetime] = {}
        self._pace = Pace()
        self._full_at: float | None = None  # None: each look is a full one

    def is_full(self, clock: float) -> bool:
        """Whether the next look has to begin at the beginning of all lanes."""
        return self._full_at is None or clock >= self._full_at or not self._watermarks

    def watermarks(self, now: datetime) -> Mapping[LaneId, datetime]:
        """From where to read each known lane (UTC), sorted.

        What a lane has left lies above its watermark, so that a backlog is worked off in order. The clock may have been
        set back since.
        """
        return {lane: min(mark, now - MARGIN) for lane, mark in sorted(self._watermarks.items())}

    def saw_all(self, found: Sequence[Lane], now: datetime, began: float, ended: float) -> None:
        """A full look at `now` (UTC) took from `began` to `ended`. Of a lane without rows dead ones may be left."""
        self._pace.took(ended - began)
        marks = _watermarks(found, now)
        pause = self._pace.pause(_QUICK + _QUICK_LANE * len(self._watermarks | marks))
        self._watermarks = self._watermarks | marks if pause else marks
        self._full_at = ended + pause if pause else None

    def gave_up(self, began: float, ended: float) -> bool:
        """A full look was cancelled; returns whether it took too long and the watermarks do until the next one."""
        self._pace.took(ended - began)
        if ended - began < _TOO_LONG or not self._watermarks:
            return False
        self._full_at = ended + LONGEST
        return True

    def saw(self, found: Sequence[Lane], now: datetime) -> None:
        """A look from the watermarks at `now` (UTC) found these lanes; some may be new."""
        self._watermarks |= _watermarks(found, now)

    def full_in(self, clock: float) -> timedelta | None:
        """How long until a full look is due, so that nothing is left below the watermarks; None: each look is one."""
        return None if self._full_at is None else timedelta(seconds=max(0.0, self._full_at - clock))


def _watermarks(found: Sequence[Lane], now: datetime) -> dict[LaneId, datetime]:
    return {LaneId(lane.queue, lane.priority): min(lane.first, now - MARGIN) for lane in found}
