"""The dialog of a backfill: a range is checked first, and what would be made is confirmed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from duebook_api.console.pages.actions import Action, Field
from duebook_api.console.pages.copies import Copies
from duebook_api.console.pages.times import Times
from duebook_common.domain.job.state import Job
from duebook_common.runtime.phrases import quantity

_WEEK, _MINUTE = timedelta(days=7), timedelta(minutes=1)
_FORMAT = "%Y-%m-%dT%H:%M"
CHECKED = "checked"


def range_text(form: Mapping[str, str]) -> str:
    """The range of the form, to see whether it is the one that was checked."""
    return f"{form.get('from', '')}/{form.get('to', '')}"


def dialog(
    job: Job, times: Times, form: Mapping[str, str], copies: Copies, plan: Any = None, fault: str = ""
) -> Action:
    """The form as it was sent; with a `plan` what would be made stands in it, to be confirmed."""
    zone = times.info(job.definition.timezone)
    shown = {**_last_week(job, times, zone), **form}
    count = plan["count"] if plan else 0
    local = "datetime-local"
    fields = [
        Field("from", "From", local, shown["from"], required=True),
        Field("to", "To", local, shown["to"], required=True),
    ]
    return Action(
        title=f"Backfill “{job.definition.name}”",
        submit=f"Make {quantity(count, 'run')}" if count else "Check the range",
        path=f"/console/jobs/{job.id}/backfill",
        back=f"/console/jobs/{job.id}",
        notes=(*_notes(plan, times, job.definition.timezone), f"Times of this form are in {zone.key}."),
        fields=(*fields, *([Field(CHECKED, kind="hidden", value=range_text(shown))] if count else [])),
        copies=copies,
        fault=fault,
    )


def _last_week(job: Job, times: Times, zone: ZoneInfo) -> dict[str, str]:
    start = max(times.now - _WEEK, job.created_at + _MINUTE)
    return {name: at.astimezone(zone).strftime(_FORMAT) for name, at in (("from", start), ("to", times.now))}


def _notes(plan: Any, times: Times, zone: str) -> tuple[str, ...]:
    """What the range holds; before it was checked, what a backfill does."""
    if plan is None:
        return (
            "Each nominal time of the range that did not run gets a run, by the schedule and payload in force then.",
            "Times that have run are left alone. The range is checked first; nothing is made yet.",
        )
    earlier = plan["already_backfilled"]
    made = f" {quantity(earlier, 'run')} of an earlier backfill stay as they are." if earlier else ""
    if not plan["count"]:
        return (f"Every time of this range has run: there is nothing to make.{made}",)
    first, last = (times.text(at, zone) for at in (plan["times"][0], plan["times"][-1]))
    span = f"for {first}" if plan["count"] == 1 else f"for times from {first} to {last}"
    return (f"{quantity(plan['count'], 'run')} will be made, {span}.{made}",)
