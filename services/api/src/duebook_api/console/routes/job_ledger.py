"""What the ledger tab of a job asks: the days of a year, and the times of one day."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from duebook_api.console.pages.job import Ledger, ledger_view, next_times
from duebook_api.console.pages.svg.calendar import Day
from duebook_api.console.pages.times import Times
from duebook_api.http.problems import Problem
from duebook_api.ledger.ledger import job_ledger
from duebook_api.ledger.summary import SummaryQuery, ledger_summary
from duebook_api.state.dependencies import Dependencies
from duebook_common.domain.job.ledger import LedgerEntry
from duebook_common.domain.job.state import Job, JobStatus
from duebook_common.domain.schedule.nominal import nominal_times

_YEAR = timedelta(weeks=52)
_DAY = timedelta(days=1)
MOST_OF_A_DAY = 300


class LedgerDay(NamedTuple):
    """The times of one day, at most `MOST_OF_A_DAY`, and how many there are."""

    day: date
    entries: Sequence[LedgerEntry]
    total: int


async def year(deps: Dependencies, job: Job, times: Times, link: str, client: str) -> Ledger:
    """The calendar of the last year and the days to come. The calendars of one client follow one another."""
    zone, start = job.definition.timezone, times.now - _YEAR
    monday = times.local(start, zone).date()
    monday -= timedelta(days=monday.weekday())
    first = max(monday, times.local(job.created_at, zone).date())
    q = SummaryQuery(**{"from": midnight(first, times, zone), "timezone": times.info(zone).key})
    async with deps.large_counts.slot(client):
        found = await ledger_summary(deps.pool, job.id, q, times.now)
    days = {
        date.fromisoformat(item["date"]): Day(Counter(item["outcomes"]), item["retried"], item["caught_up"])
        for item in found["items"]
    }
    upcoming = await deps.preview_search.run(True, _upcoming, job, times)
    return ledger_view(days, upcoming, first, times, zone, link)


def _upcoming(job: Job, times: Times) -> list[datetime]:
    """The nominal times of the rest of this week, at most so many as the calendar needs to count."""
    if job.status is not JobStatus.ACTIVE:
        return []
    found = list[datetime]()
    for at in nominal_times(job.definition, times.now):
        if at > times.now + timedelta(days=7) or len(found) >= 5_000:
            break
        found.append(at)
    return found


async def day(deps: Dependencies, job: Job, times: Times, chosen: date) -> LedgerDay:
    zone = job.definition.timezone
    start, end = midnight(chosen, times, zone), midnight(chosen + _DAY, times, zone)
    try:
        entries = await job_ledger(deps.pool, job.id, start, end, times.now)
    except Problem as problem:  # more times than one answer may hold: the first hours of the day
        if problem.status != 422:
            raise
        entries = await job_ledger(deps.pool, job.id, start, start + timedelta(hours=1), times.now)
    return LedgerDay(chosen, entries[:MOST_OF_A_DAY], len(entries))


def midnight(day: date, times: Times, zone: str) -> datetime:
    """The start of the day in the reader's choice of zone."""
    return datetime.combine(day, time.min, times.info(zone))


async def coming_times(deps: Dependencies, job: Job, now: datetime) -> list[object]:
    """The next times of a job that has some."""
    if job.status not in {JobStatus.ACTIVE, JobStatus.PAUSED}:
        return []
    return list(await deps.preview_search.run(True, next_times, job.definition, now))
