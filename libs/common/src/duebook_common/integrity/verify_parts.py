"""A verification in parts that need nothing of each other but one snapshot: so processes can share them.

What a part finds is the same whichever process checks it, so that all parts together find what one pass would.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from duebook_common.domain.day_hash import EventSet
from duebook_common.domain.queue.state import Pauses
from duebook_common.integrity.breach import Breach
from duebook_common.integrity.verified import EVENTS_OF_SOME_JOBS, EVER, Verified, changed_jobs
from duebook_common.integrity.verify_days import signing_line
from duebook_common.integrity.verify_follow_ups import check_follow_ups
from duebook_common.integrity.verify_jobs import EVENTS_OF_RANGE, Checked, check_jobs
from duebook_common.integrity.verify_limits import check_keys
from duebook_common.integrity.verify_rates import check_rates
from duebook_common.integrity.verify_rows import check_orphans
from duebook_common.integrity.verify_streams import check_changed_streams, check_left_contents, check_streams
from duebook_common.integrity.verify_triggers import check_triggers
from duebook_common.integrity.verify_wakeups import check_wakeups
from duebook_common.integrity.workers import PIECES, job_cuts, stream_cuts
from duebook_common.store.database import Connection
from duebook_common.store.day_lines import lines, sets_between

_SHORTEST = timedelta(hours=1)
_DAY = timedelta(days=1)
_MOST_JOBS = 500  # of a part
_PIECES_OF_STREAMS = 48


@dataclass(frozen=True, slots=True)
class PartContext:
    """What all parts share. With `since` only what came after that checkpoint is checked."""

    pauses: Pauses
    due_before: datetime
    since: Verified | None = None

    @property
    def recorded_after(self) -> datetime:
        return EVER if self.since is None else self.since.recorded_after


@dataclass(frozen=True, slots=True)
class PartReport:
    """What a part has found. `days` are the sets of the events of days, which other parts may have more of."""

    jobs: int = 0
    events: int = 0
    breaches: list[Breach] = field(default_factory=list)
    days: dict[date, EventSet] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobRange:
    """The jobs from one id until before another; None: without a limit."""

    start: UUID | None
    end: UUID | None


@dataclass(frozen=True, slots=True)
class SomeJobs:
    """Jobs by their ids, which may have events after this position."""

    ids: tuple[UUID, ...]
    xid: int
    position: int


@dataclass(frozen=True, slots=True)
class StreamRange:
    """The streams from one name until before another."""

    start: str
    end: str


@dataclass(frozen=True, slots=True)
class TimeRange:
    """What was recorded from a time until before another (UTC)."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class WholeCheck:
    """One of the checks that are not cut: what it is called in `_WHOLE`, or in `_RECENT` of a checkpoint."""

    name: str


Part = JobRange | SomeJobs | StreamRange | TimeRange | WholeCheck
_WHOLE: dict[str, Callable[[Connection, PartContext], Awaitable[list[Breach]]]] = {
    "orphans": lambda db, _: check_orphans(db),
    "triggers": lambda db, _: check_triggers(db),
    "left contents": lambda db, _: check_left_contents(db),
    "keys": lambda db, context: check_keys(db, context.since),
    "rates": lambda db, context: check_rates(db, context.recorded_after),
    "wakeups": lambda db, _: check_wakeups(db),
    "follow-ups": lambda db, context: check_follow_ups(db, context.due_before, context.recorded_after),
}
_STREAMS = "streams"


async def plan(db: Connection, context: PartContext, workers: int) -> list[Part]:
    """The parts of a verification, the long ones first; more parts than workers, so that all have work to the end."""
    if context.since is not None:
        return await _plan_since(db, context, context.since, workers)
    cuts = await job_cuts(db, workers * PIECES if workers > 1 else 1)
    jobs = [JobRange(start, end) for start, end in pairwise([None, *cuts, None])]
    days = await _time_ranges(db, workers * PIECES, None)
    return [*jobs, *days, *await _stream_ranges(db), *map(WholeCheck, _WHOLE)]


async def _plan_since(db: Connection, context: PartContext, since: Verified, workers: int) -> list[Part]:
    """Rows without events, which may be of any age, are left to a full verification."""
    changed = await changed_jobs(db, since, context.due_before)
    size = max(1, min(_MOST_JOBS, len(changed) // (workers * PIECES) + 1))
    slices = (tuple(changed[start : start + size]) for start in range(0, len(changed), size))
    jobs = [SomeJobs(ids, since.xid, since.position) for ids in slices]
    days = await _time_ranges(db, workers * PIECES, since)
    return [*jobs, *days, *(WholeCheck(name) for name in (*_WHOLE, _STREAMS) if name != "orphans")]


async def check_part(db: Connection, part: Part, context: PartContext, checked: Checked) -> PartReport:
    """Check a part; `checked` is called as the jobs of the part go on."""
    match part:
        case JobRange():
            return await _check_jobs(db, context, checked, EVENTS_OF_RANGE, part.start, part.end)
        case SomeJobs(ids, xid, position):
            return await _check_jobs(db, context, checked, EVENTS_OF_SOME_JOBS, ids, xid, position)
        case TimeRange():
            return PartReport(days=await sets_between(db, part.start, part.end))
        case StreamRange():
            return PartReport(breaches=await check_streams(db, part.start, part.end))
        case WholeCheck(name) if name == _STREAMS and context.since is not None:
            return PartReport(breaches=await check_changed_streams(db, context.since))
        case WholeCheck():
            return PartReport(breaches=await _WHOLE[part.name](db, context))


async def _check_jobs(
    db: Connection, context: PartContext, checked: Checked, statement: str, *arguments: Any
) -> PartReport:
    jobs = events = 0

    def count(some_jobs: int, some_events: int) -> None:
        nonlocal jobs, events
        jobs, events = jobs + some_jobs, events + some_events
        checked(some_jobs, some_events)

    found = await check_jobs(db, context.pauses, context.due_before, count, statement, *arguments)
    return PartReport(jobs, events, found)


async def _time_ranges(db: Connection, pieces: int, since: Verified | None) -> list[TimeRange]:
    """The days that have a line, after the one that signs the checkpoint, in pieces of an hour at least."""
    written = [line for line, _ in await lines(db)]
    verified = signing_line(written, since)
    days = [line.day for line in written if verified is None or line.day > verified.day]
    if not days:
        return []
    first, last = _midnight(days[0]), _midnight(days[-1] + _DAY)
    step = max(_SHORTEST, (last - first) / pieces)
    return list(_steps(first, last, step))


def _steps(first: datetime, last: datetime, step: timedelta) -> Iterator[TimeRange]:
    start = first
    while start < last:
        yield TimeRange(start, min(start + step, last))
        start += step


async def _stream_ranges(db: Connection) -> list[StreamRange]:
    """All streams, in pieces with about as many events."""
    cuts = await stream_cuts(db, _PIECES_OF_STREAMS)
    return [StreamRange(start, end) for start, end in pairwise(["", *cuts, "\U0010ffff"])]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
