"""Schedules that name no time at all are refused, with the reason and a remedy."""

import re
from dataclasses import replace

from duebook_api.http.problems import Fault, invalid
from duebook_api.schemas.schedules import ScheduleFields
from duebook_common.domain.definition import Cron, Definition, Dst, Rrule
from duebook_common.domain.schedule import cron, rrule
from duebook_common.domain.schedule.nominal import next_after
from duebook_common.runtime.quoting import quoted
from duebook_common.store.codec import rfc3339

_LAST_YEAR_OF_ANY_CRON = 9950  # every expression names a time within forty years, if DST does not skip it
_UNTIL = re.compile(r";UNTIL=[^;]*|UNTIL=[^;]*;", re.IGNORECASE)


def takes_long(schedule: ScheduleFields | Definition) -> bool:
    """Whether a search for one of its times may take milliseconds instead of microseconds."""
    match schedule.recurrence:
        case Cron(text):
            return len(cron.parse(text).months) < 12
        case Rrule():
            return True
        case _:
            return False


def must_name_a_time(definition: Definition, root: str = "") -> None:
    """Raises Problem 422 for a schedule that names no time at all."""
    if _may_be_empty(definition) and next_after(definition, None) is None:
        raise invalid(_fault(definition, root))


def _may_be_empty(definition: Definition) -> bool:
    """Whether to look for the first time.

    DST can skip all times of an expression only if these are all in the months of transitions.
    """
    if definition.ends_at is not None or definition.scheduled_at.year > _LAST_YEAR_OF_ANY_CRON:
        return True
    return takes_long(definition) and (_ignores_dst(definition) or definition.dst.gap == "skip" or _is_rule(definition))


def _fault(definition: Definition, root: str) -> Fault:
    if definition.ends_at is not None and definition.ends_at < definition.scheduled_at:
        return Fault(f"{root}/ends_at", "this is before scheduled_at, so the job would never run")
    without_end, recurrence = replace(definition, ends_at=None), definition.recurrence
    if isinstance(recurrence, Cron | Rrule) and next_after(without_end, None) is None:
        kind, text = ("cron", recurrence.cron) if isinstance(recurrence, Cron) else ("rrule", recurrence.rrule)
        return Fault(f"{root}/recurrence/{kind}", _why_empty(without_end, text))
    return Fault(f"{root}/ends_at", "the recurrence names no time from scheduled_at to this")


def _is_rule(definition: Definition) -> bool:
    return isinstance(definition.recurrence, Rrule)


def _why_empty(definition: Definition, text: str) -> str:
    """Why the recurrence names no time: its UNTIL is too early, DST skips all its times, or there is no such time."""
    if _is_rule(definition) and _UNTIL.search(text):
        first = next_after(replace(definition, recurrence=Rrule(_UNTIL.sub("", text))), None)
        if first is not None:
            return f"UNTIL is before {rfc3339(first)}, the first time that the rule names from scheduled_at on"
    skipped = f"{quoted(text)} never fires: the clocks in {definition.timezone} skip all of its times"
    if next_after(replace(definition, dst=Dst("run_after", definition.dst.fold)), None) is not None:
        return f"{skipped}, and dst.gap says skip; use run_after, or another time of day"
    if _ignores_dst(definition) and next_after(replace(definition, timezone="UTC"), None) is not None:
        return f"{skipped}, and without a certain minute and hour these are left out; give both, or another time of day"
    span = (
        "within 400 years after scheduled_at"
        if _is_rule(definition)
        else "from scheduled_at to the end of the year 9999"
    )
    return f"{quoted(text)} never fires: it names no time {span}"


def _ignores_dst(definition: Definition) -> bool:
    match definition.recurrence:
        case Cron(text):
            return cron.parse(text).ignores_dst
        case Rrule(text):
            return rrule.parse(text).ignores_dst
        case _:
            return False
