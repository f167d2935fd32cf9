"""A schedule foretold: its next times, what it says in words, and what the clocks' changes do to it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from duebook_api.schedules.rule_text import in_words
from duebook_common.domain.definition import Cron, Definition, Dst, Every, Rrule
from duebook_common.domain.schedule import cron, rrule
from duebook_common.domain.schedule.dst import Change, change_between
from duebook_common.domain.schedule.nominal import count_between, next_after, nominal_times
from duebook_common.runtime.durations import iso

_DAY, _AROUND, _STEP = timedelta(days=1), timedelta(hours=26), timedelta(days=5)
_LONGEST = timedelta(days=366 * 30)
_MOST_NOTES = 20
_FOLD = {"first": "runs the first time", "second": "runs the second time", "both": "runs both times"}
_FOLLOWS = "it follows the clock, every real hour once, and dst is not asked"
_UNNAMED = "scheduled_at itself is no time of this schedule, so nothing runs then"
_REAL_TIME = "An interval is real time: it does not keep the wall clock where the clocks change"


def preview(definition: Definition, after: datetime, count: int) -> dict[str, Any]:
    """The nominal times later than `after`, at most `count`, with the schedule in words and notes on it.

    Of a job with `max_runs` no more than it may run, as if none had run yet and none will be skipped.
    """
    count = min(count, definition.max_runs or count)
    times = list(islice(nominal_times(definition, after), count))
    return {"times": times, "description": described(definition), "notes": _notes(definition, times, after, count)}


def described(definition: Definition) -> str:
    """The schedule in words."""
    zone, first = definition.timezone, definition.scheduled_at.astimezone(ZoneInfo(definition.timezone))
    match definition.recurrence:
        case "none":
            return f"Once, at {_told(first)} in {zone}"
        case "daily":
            return f"Every day at {_clock(first)} in {zone}"
        case "weekly":
            return f"Every {first:%A} at {_clock(first)} in {zone}"
        case Every(every):
            return f"Every {iso(every)} of real time, counted from {_told(first)}"
        case Rrule(rule):
            return in_words(rule, first, zone)
        case Cron(expression):
            return f"{_explained(expression)} in {zone}"


def _explained(expression: str) -> str:
    try:
        return CronSim(" ".join(_without_seconds(cron.fields(expression))), datetime.now(UTC)).explain()
    except CronSimError:
        return f"At the times of the cron expression {expression}"


def _without_seconds(fields: Sequence[str]) -> Sequence[str]:
    return fields[1:] if fields[0] == "0" else fields


def _notes(definition: Definition, times: Sequence[datetime], after: datetime, count: int) -> list[str]:
    notes = list(islice(_of_clock_changes(definition, times), _MOST_NOTES))
    recurrence = definition.recurrence
    if isinstance(recurrence, Cron) and cron.parse(recurrence.cron).follows_clock:
        notes.insert(0, f"The minute or hour begins with *: {_FOLLOWS}")
    if isinstance(recurrence, Rrule) and rrule.parse(recurrence.rrule).follows_clock:
        notes.insert(0, f"No hour or no minute is named: {_FOLLOWS}")
    if definition.scheduled_at > after and next_after(definition, None) != definition.scheduled_at:
        notes.insert(0, _UNNAMED)
    if isinstance(recurrence, Every) and definition.timezone != "UTC":
        notes.insert(0, _REAL_TIME)
    if definition.max_runs is not None:
        notes.append(f"It ends after {definition.max_runs} runs; what is skipped does not count")
    if definition.jitter is not None:
        notes.append(
            f"Each run is due up to {iso(definition.jitter)} after its time, always the same for the same time"
        )
    if len(times) < count:
        notes.append("It names no further time" if times else f"It names no time after {_told(after)}")
    return notes


def _of_clock_changes(definition: Definition, times: Sequence[datetime]) -> Iterator[str]:
    """What `dst` decides within the times shown; where no time falls into a gap or a fold there is nothing to say."""
    if not times or definition.recurrence == "none" or isinstance(definition.recurrence, Every):
        return
    zone, dst = ZoneInfo(definition.timezone), definition.dst
    for change in changes(zone, times[0] - _DAY, min(times[-1] + _DAY, times[0] + _LONGEST)):
        plain, old, new = around(definition, change, Dst("skip", "first")), change.old_end, change.new_start
        shown = f"{old:%Y-%m-%d}: the clocks in {definition.timezone} go from {old:%H:%M} to {new:%H:%M}"
        if around(definition, change, Dst("run_after", "first")) != plain:
            does = f"runs at {change.at.astimezone(zone).isoformat()}" if dst.gap == "run_after" else "is left out"
            yield f"{shown}; a time in this gap {does} (dst.gap {dst.gap})"
        if around(definition, change, Dst("skip", "both")) != plain:
            yield f"{shown}; a time that comes twice {_FOLD[dst.fold]} (dst.fold {dst.fold})"


def around(definition: Definition, change: Change, dst: Dst) -> int:
    """How many times there are about the change: each of these policies adds to the plain one or does not."""
    return count_between(replace(definition, dst=dst), change.at - _AROUND, change.at + _AROUND)


def changes(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[Change]:
    """The changes of the zone's clocks later than `start` and not later than `end`."""
    while start < end:
        if change := change_between(zone, start, min(start + _STEP, end)):
            yield change
        start += _STEP


def _clock(time: datetime) -> str:
    return f"{time:%H:%M:%S}".removesuffix(":00") if time.second == 0 else f"{time:%H:%M:%S}"


def _told(time: datetime) -> str:
    return time.isoformat(sep=" ", timespec="seconds")
