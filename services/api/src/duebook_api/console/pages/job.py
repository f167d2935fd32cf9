"""The view models of the page of one job."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from markupsafe import Markup

from duebook_api.console.pages.diffs import DiffLine, diff
from duebook_api.console.pages.runs import bar_of, is_late_success, longest_of
from duebook_api.console.pages.status import look
from duebook_api.console.pages.svg.calendar import CAUGHT_UP, RETRIED, UPCOMING, Day, calendar, notable
from duebook_api.console.pages.times import Times
from duebook_api.console.pages.words import ordinal
from duebook_api.history.definitions import DefinedVersion
from duebook_common.domain.definition import Definition
from duebook_common.domain.job.ledger import LedgerEntry
from duebook_common.domain.schedule.dst import transitions
from duebook_common.domain.schedule.nominal import nominal_times

_YEAR = timedelta(days=366)
_NEXT, _AHEAD = 4, 7  # times in the list; days of the calendar that are still to come
TABS = (("ledger", "Ledger"), ("runs", "Runs"), ("definition", "Definition and history"), ("events", "Events"))


@dataclass(frozen=True, slots=True)
class NextTime:
    at: datetime
    note: str = ""


def next_times(definition: Definition, now: datetime) -> list[NextTime]:
    """The next nominal times, and after them the first one with another offset, if the clocks change."""
    times = list(islice(nominal_times(definition, now), _NEXT))
    zone = ZoneInfo(definition.timezone)
    if len(times) == _NEXT and (change := next(transitions(zone, times[-1], now + _YEAR), None)) is not None:
        after = next(iter(nominal_times(definition, change.at)), None)
        if after is not None:
            return [*map(NextTime, times), NextTime(after, "first after the clocks change")]
    return [NextTime(each) for each in times]


@dataclass(frozen=True, slots=True)
class RunRow:
    id: UUID
    nominal_at: datetime
    status: str
    more: str
    attempts: int
    took: str
    bar: Markup
    error: str
    reason: str


def run_rows(runs: Sequence[Mapping[str, Any]], now: datetime) -> list[RunRow]:
    """The runs with bars to the scale of the longest of them."""
    longest = longest_of(runs, now)
    return [_run_row(run, now, longest) for run in runs]


def _run_row(run: Mapping[str, Any], now: datetime, longest: timedelta) -> RunRow:
    took, bar = bar_of(run, now, longest)
    return RunRow(
        id=run["id"],
        nominal_at=run["nominal_at"],
        status=run["status"],
        more=f"{ordinal(run['attempt'])} attempt" if is_late_success(run) else "",
        attempts=run["attempt"],
        took=took,
        bar=bar,
        error=_first_line(run["error"]) if run["status"] not in {"succeeded", "skipped"} else "",
        reason=run.get("reason") or "",
    )


def _first_line(error: str | None) -> str:
    return (error or "").strip().partition("\n")[0][:200]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The calendar and what it sums up."""

    drawing: Markup
    expected: int
    recorded: int
    unaccounted: int
    due: int
    legend: list[tuple[str, int]]
    marks: list[tuple[str, int]]
    notable: Sequence[tuple[date, str]]
    first: date


def ledger_view(
    days: Mapping[date, Day],
    upcoming: Iterable[datetime],
    first: date,
    times: Times,
    zone: str,
    link: str,
) -> Ledger:
    """The ledger of the days, which are those of the job's zone or of the reader's choice."""
    today = times.local(times.now, zone).date()
    last = today + timedelta(days=_AHEAD - 1 - today.weekday())
    shown = {on: day._replace(outcomes=Counter(day.outcomes)) for on, day in days.items()}
    for at in upcoming:
        if today <= (day := times.local(at, zone).date()) <= last:
            shown.setdefault(day, Day(Counter())).outcomes[UPCOMING] += 1
    total = sum((day.outcomes for day in days.values()), Counter[str]())
    marks = {name: sum(getattr(day, name) for day in days.values()) for name in (RETRIED, CAUGHT_UP)}
    due, unaccounted = total["due"], total["unaccounted"]
    return Ledger(
        drawing=calendar(shown, first, last, today, link),
        expected=total.total(),
        recorded=total.total() - due - unaccounted,
        unaccounted=unaccounted,
        due=due,
        legend=total.most_common(),
        marks=[(name, count) for name, count in marks.items() if count],
        notable=notable(days),
        first=first,
    )


def late_words(entry: LedgerEntry) -> str:
    """How a time got its outcome, if not at the first attempt and in time: like `third attempt, caught up late`."""
    attempt = f"{ordinal(entry.attempt)} attempt" if entry.was_retried else ""
    return ", ".join(filter(None, [attempt, look(CAUGHT_UP).word if entry.was_caught_up else ""]))


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the definition, and the lines in which it differs from the one before it."""

    number: int
    actor: str
    recorded_at: datetime
    lines: list[DiffLine]


def versions(defined: Sequence[DefinedVersion], newest: int) -> list[Version]:
    """The versions, newest first; the oldest of those shown has no lines."""
    older = [*(each.definition for each in defined[1:]), None]
    return [
        Version(newest - n, each.actor, each.recorded_at, diff(before, each.definition) if before else [])
        for n, (each, before) in enumerate(zip(defined, older, strict=True))
    ]
