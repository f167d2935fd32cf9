"""The ledger of a job in numbers, by days or months. A year of minutes takes about a second, beside the event loop."""

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field

from duebook_api.history.archived import existing_job
from duebook_api.http.fields import Zone
from duebook_api.http.paging import NoQuery, Time
from duebook_api.http.problems import Fault, invalid
from duebook_api.ledger.ledger import with_recorded_runs
from duebook_common.domain.job import events as job_events
from duebook_common.domain.job import ledger
from duebook_common.domain.job.ledger import DUE, UNACCOUNTED
from duebook_common.domain.job.ledger_summary import ExpectedCounts, expected_counts, outcomes
from duebook_common.domain.job.schedule_history import SchedulePeriod, schedule_periods
from duebook_common.domain.job.state import Job
from duebook_common.store.database import Connection, Pool, snapshot
from duebook_common.store.eventstore import read_light

MOST_STEPS = 400
MARKS = ("retried", "caught_up")
_RESOLUTION = timedelta(microseconds=1)
_USUAL = {"day": timedelta(days=365), "month": timedelta(days=3650)}
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9998, 12, 30, tzinfo=UTC)

# The runs by step. A backfill counts where the time has no run of its own, or one that was skipped; `before` is what
# the time was by the job's own stream if it has no run of its own. A run has a row, or a line once it is archived.
# `retried` and `caught_up` mean what they mean of a ledger entry.
_RUNS = """
WITH mine AS MATERIALIZED (
    SELECT nominal_at, status, trigger = 'backfill' AS late, status = 'succeeded' AND attempt > 1 AS retried,
           trigger <> 'schedule' AND status <> 'skipped' AS caught_up
    FROM runs
    WHERE job_id = $1 AND trigger IN ('schedule', 'catch_up', 'backfill')
      AND nominal_at >= ($2::timestamptz[])[1] AND nominal_at <= $3::timestamptz
      AND nominal_at <> ALL($4::timestamptz[])
    UNION ALL
    SELECT nominal_at, status, trigger = 'backfill', status = 'succeeded' AND attempt > 1,
           trigger <> 'schedule' AND status <> 'skipped'
    FROM ledger_lines
    WHERE job_id = $1 AND trigger IN ('schedule', 'catch_up', 'backfill')
      AND nominal_at >= ($2::timestamptz[])[1] AND nominal_at <= $3::timestamptz
      AND nominal_at <> ALL($4::timestamptz[])
), shown AS (
    SELECT own.nominal_at, own.status, own.retried, own.caught_up, NULL AS before FROM mine AS own
    WHERE NOT own.late AND (own.status <> 'skipped' OR own.nominal_at NOT IN (SELECT nominal_at FROM mine WHERE late))
    UNION ALL
    SELECT late.nominal_at, late.status, late.retried, late.caught_up, CASE
        WHEN own.nominal_at IS NOT NULL THEN NULL
        WHEN late.nominal_at >= $7::timestamptz THEN 'due'
        WHEN late.nominal_at <= ($6::timestamptz[])[width_bucket(late.nominal_at, $5::timestamptz[])] THEN 'skipped'
        ELSE 'unaccounted' END
    FROM mine AS late LEFT JOIN mine AS own ON own.nominal_at = late.nominal_at AND NOT own.late
    WHERE late.late AND (own.nominal_at IS NULL OR own.status = 'skipped')
)
SELECT width_bucket(nominal_at, $2::timestamptz[]) - 1 AS step, status, before, count(*) AS number,
       count(*) FILTER (WHERE retried) AS retried, count(*) FILTER (WHERE caught_up) AS caught_up
FROM shown GROUP BY 1, 2, 3
"""


class SummaryQuery(NoQuery):
    start: Annotated[Time | None, Field(alias="from")] = None
    end: Annotated[Time | None, Field(alias="to")] = None
    step: Literal["day", "month"] = "day"
    timezone: Zone | None = None


class _Recorded(NamedTuple):
    """Of each step the times with a run: by its status, those that only a backfill has given one by what they were
    before, and how many were retried or caught up.
    """

    runs: list[Counter[str]]
    filled: list[Counter[str]]
    marks: list[Counter[str]]


class _Steps(NamedTuple):
    """The local dates on which steps begin, and the instants of them and of the last end."""

    dates: list[date]
    bounds: list[datetime]
    zone: str


async def ledger_summary(pool: Pool, job_id: UUID, q: SummaryQuery, now: datetime) -> dict[str, Any]:
    """The outcomes of each step that has nominal times, and of all. Raises Problem 404, and 422 for too many steps."""
    async with snapshot(pool) as db:
        job = await existing_job(db, job_id)
        steps = _steps(q, job, now)
        last = min(now, steps.bounds[-1] - _RESOLUTION)
        recorded: Any = await read_light(db, job_events.stream(job_id))
        history = await asyncio.to_thread(schedule_periods, [item.event for item in recorded])
        counts = await asyncio.to_thread(expected_counts, job, history, steps.bounds, last)
        recorded_runs = await _runs(db, job_id, steps, last, counts)
        found = outcomes(counts, recorded_runs.runs, recorded_runs.filled)
        await _add_shared(db, job, history, steps, counts, found, recorded_runs.marks)
    return _view(q, steps, found, recorded_runs.marks)


def _steps(q: SummaryQuery, job: Job, now: datetime) -> _Steps:
    name = q.timezone or job.definition.timezone
    zone, end = ZoneInfo(name), now if q.end is None else q.end
    created = min(job.created_at, job.definition.scheduled_at)
    start = max(created, end - _USUAL[q.step]) if q.start is None else q.start
    if start > end:
        raise invalid(Fault("/from", "this is later than `to`"))
    start, end = (min(max(time, _FIRST), _LAST) for time in (start, end))
    day = _first_day(start.astimezone(zone).date(), q.step)
    dates = [day]
    while _midnight(day, zone) < end and len(dates) <= MOST_STEPS + 1:
        day = _next_day(day, q.step)
        dates.append(day)
    if len(dates) > MOST_STEPS + 1:
        longer = "" if q.step == "month" else ", or steps of a month"
        raise invalid(Fault("/from", f"this range has more than {MOST_STEPS} steps; ask for a shorter one{longer}"))
    if len(dates) == 1:
        dates.append(_next_day(day, q.step))
    return _Steps(dates[:-1], [_midnight(each, zone) for each in dates], name)


def _first_day(day: date, step: str) -> date:
    return day if step == "day" else day.replace(day=1)


def _next_day(day: date, step: str) -> date:
    return day + timedelta(days=1) if step == "day" else (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


async def _runs(db: Connection, job_id: UUID, steps: _Steps, last: datetime, counts: ExpectedCounts) -> _Recorded:
    ranges = sorted(counts.ranges)
    firsts, lasts = [first for first, _ in ranges], [end for _, end in ranges]
    arguments = (last, counts.shared, firsts, lasts, counts.undecided_since)
    records: Any = await db.fetch(_RUNS, job_id, steps.bounds, *arguments)
    recorded = _Recorded(*([Counter[str]() for _ in steps.dates] for _ in range(3)))
    for record in records:
        step = record["step"]
        recorded.runs[step][record["status"]] += record["number"]
        recorded.marks[step].update({name: record[name] for name in MARKS})
        if record["before"] is not None:
            recorded.filled[step][record["before"]] += record["number"]
    return recorded


async def _add_shared(  # noqa: PLR0913, PLR0917 - two results are added to
    db: Connection,
    job: Job,
    history: Sequence[SchedulePeriod],
    steps: _Steps,
    counts: ExpectedCounts,
    found: Sequence[Counter[str]],
    marks: Sequence[Counter[str]],
) -> None:
    """Add the times that two schedules may name, each by the ledger itself."""
    single = [entry for time in counts.shared for entry in ledger.entries(job, history, time, time)]
    for entry in await with_recorded_runs(db, job.id, single):
        step = bisect_right(steps.bounds, entry.nominal_at) - 1
        found[step][entry.outcome] += 1
        marks[step].update({"retried": int(entry.was_retried), "caught_up": int(entry.was_caught_up)})


def _view(
    q: SummaryQuery, steps: _Steps, found: Sequence[Counter[str]], marks: Sequence[Counter[str]]
) -> dict[str, Any]:
    total, marked = sum(found, Counter[str]()), sum(marks, Counter[str]())
    length = 10 if q.step == "day" else 7
    items = [
        {"date": day.isoformat()[:length], "from": start, "to": end, **_numbers(counts, marks_)}
        for day, start, end, counts, marks_ in zip(
            steps.dates, steps.bounds, steps.bounds[1:], found, marks, strict=False
        )
        if counts
    ]
    return {"step": q.step, "timezone": steps.zone, **_numbers(total, marked), "items": items}


def _numbers(counts: Counter[str], marks: Counter[str]) -> dict[str, Any]:
    expected, due, unaccounted = counts.total(), counts[DUE], counts[UNACCOUNTED]
    numbers = {"expected": expected, "recorded": expected - due - unaccounted, "due": due, "unaccounted": unaccounted}
    numbers |= {name: marks[name] for name in MARKS}
    return {**numbers, "outcomes": {str(name): number for name, number in sorted(counts.items())}}
