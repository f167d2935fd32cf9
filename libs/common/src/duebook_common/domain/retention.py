"""Which period of the log may leave the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

MAX_RETENTION = timedelta(days=36_500)


class Span(NamedTuple):
    """A period (UTC): what was opened from `start` until before `end`."""

    start: datetime
    end: datetime


def spans(starts: Sequence[datetime]) -> list[Span]:
    """The periods that have ended, oldest first, by the starts of all periods in order: each ends where one starts."""
    return [Span(start, end) for start, end in pairwise(starts)]


def due(present: Sequence[Span], retention: timedelta | None, now: datetime) -> Span | None:
    """The oldest of the ended periods that are still present, if it ended longer ago than the retention.

    Periods leave in their order, so that the archives form a chain by time. None also if all is kept for ever.
    """
    if retention is None or not present:
        return None
    oldest = min(present)
    return oldest if oldest.end + retention <= now else None
