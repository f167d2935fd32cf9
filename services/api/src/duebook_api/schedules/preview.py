"""The preview of a schedule: its next times, a description in English, and notes on what may surprise."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from duebook_api.schedules.cron_notes import cron_notes
from duebook_api.schedules.cron_text import cron_text
from duebook_api.schedules.dst_effects import affected, fold_text, keeps_local_time
from duebook_api.schedules.rule_text import rule_text
from duebook_common.domain.definition import Cron, Definition, Every, Rrule
from duebook_common.domain.schedule import cron, rrule
from duebook_common.domain.schedule.dst import Transition, transitions
from duebook_common.domain.schedule.nominal import next_after, nominal_times
from duebook_common.domain.schedule.times import shifted
from duebook_common.runtime.phrases import exact_duration, interval

_DAY = timedelta(days=1)
_LONGEST_SEARCH = timedelta(days=366 * 30)
_MAX_DST_NOTES = 20
_ETC = re.compile(r"Etc/GMT([+-])([1-9]\d?)")
_DST_IGNORED = "so dst does not apply: when the clocks change, skipped times are left out and repeated times run twice"
_START_NOT_INCLUDED = "scheduled_at is not a time of this schedule, so nothing runs then"
_REAL_TIME = "An interval counts real time: its local time shifts when the clocks change"


def preview(definition: Definition, after: datetime, count: int) -> dict[str, Any]:
    """At most `count` nominal times later than `after`, with the schedule's description and notes.

    With `max_runs` there are at most that many times, as if the job had not run yet and no occurrence will be skipped.
    """
    count = min(count, definition.max_runs or count)
    times = list(islice(nominal_times(definition, after), count))
    notes = _notes(definition, times, after, count)
    return {"times": times, "description": description(definition), "notes": notes}


def description(definition: Definition) -> str:
    """The schedule in English, such as "Every Tuesday at 10:00 in Europe/Berlin"."""
    zone, start = definition.timezone, definition.scheduled_at.astimezone(ZoneInfo(definition.timezone))
    match definition.recurrence:
        case "none":
            return f"Once, at {_timestamp(start)} in {zone}"
        case "daily":
            return f"Every day at {_clock(start)} in {zone}"
        case "weekly":
            return f"Every {start:%A} at {_clock(start)} in {zone}"
        case Every(every):
            return f"Every {interval(every)} of real time, counted from {_timestamp(start)}"
        case Rrule(rule):
            return rule_text(rule, start, zone)
        case Cron(expression):
            return f"{cron_text(expression)} in {zone}"


def _notes(definition: Definition, times: Sequence[datetime], after: datetime, count: int) -> list[str]:
    """Notes on the recurrence first, then on DST transitions, then on the schedule's bounds."""
    return [
        *_recurrence_notes(definition, after),
        *islice(_dst_notes(definition, times), _MAX_DST_NOTES),
        *_bound_notes(definition, times, after, count),
    ]


def _recurrence_notes(definition: Definition, after: datetime) -> Iterator[str]:
    recurrence = definition.recurrence
    if isinstance(recurrence, Every) and definition.timezone != "UTC":
        yield _REAL_TIME
    if match := _ETC.fullmatch(definition.timezone):
        sign, hours = match.groups()
        direction = "behind" if sign == "+" else "ahead of"
        yield f"{definition.timezone} is {hours} h {direction} UTC: the sign in these names is reversed"
    if definition.scheduled_at > after and next_after(definition, None) != definition.scheduled_at:
        yield _START_NOT_INCLUDED
    if isinstance(recurrence, Cron):
        yield from cron_notes(recurrence.cron)
    if isinstance(recurrence, Cron) and cron.parse(recurrence.cron).ignores_dst:
        yield f"The minute or hour begins with *, {_DST_IGNORED}"
    if isinstance(recurrence, Rrule) and rrule.parse(recurrence.rrule).ignores_dst:
        yield f"No hour or no minute is given, {_DST_IGNORED}"


def _dst_notes(definition: Definition, times: Sequence[datetime]) -> Iterator[str]:
    """What `dst` decides between the times shown, for each transition that affects the schedule."""
    if not times or not keeps_local_time(definition):
        return
    end = min(shifted(times[-1], _DAY), shifted(times[0], _LONGEST_SEARCH))
    for transition in transitions(ZoneInfo(definition.timezone), shifted(times[0], -_DAY), end):
        if (kind := affected(definition, transition)) is not None:
            yield _dst_note(definition, transition, kind)


def _dst_note(definition: Definition, transition: Transition, kind: str) -> str:
    old, new, dst = transition.local_before, transition.local_after, definition.dst
    change = f"{old:%Y-%m-%d}: the clocks in {definition.timezone} go from {old:%H:%M} to {new:%H:%M}"
    if kind == "fold":
        return f"{change}; a time that occurs twice {fold_text(dst)}"
    end_of_gap = transition.at.astimezone(ZoneInfo(definition.timezone)).isoformat()
    effect = f"runs at {end_of_gap}" if dst.gap == "run_after" else "is left out"
    return f"{change}; a time in this gap {effect} (dst.gap {dst.gap})"


def _bound_notes(definition: Definition, times: Sequence[datetime], after: datetime, count: int) -> Iterator[str]:
    if definition.max_runs is not None:
        yield f"It ends after {definition.max_runs} runs; skipped occurrences do not count"
    if definition.jitter is not None:
        longest = exact_duration(definition.jitter)
        yield f"Each run is due up to {longest} after its time, by a delay that is fixed for that time"
    if len(times) < count:
        yield "It has no further time" if times else f"It has no time after {_timestamp(after)}"


def _clock(time: datetime) -> str:
    return f"{time:%H:%M}" if time.second == 0 else f"{time:%H:%M:%S}"


def _timestamp(time: datetime) -> str:
    return time.isoformat(sep=" ", timespec="seconds")
