"""What a change of a job does to all jobs, in words: times added and removed, and the busiest hour."""

from collections.abc import Mapping
from typing import Any

from duebook_api.console.pages.job_fields import SCHEDULE
from duebook_api.console.pages.times import Times
from duebook_common.runtime.phrases import quantity

DAYS = 7
_FIELDS = (*SCHEDULE, "queue")


def change_set(body: Mapping[str, Any], job_id: str | None, patch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The changes of a forecast for a new job, or for the fields of an edit that concern it; none if none does."""
    if job_id is None:
        return [{"create": {"name": "-"} | {name: body[name] for name in ("name", *_FIELDS) if body.get(name)}}]
    concerned = {name: patch[name] for name in _FIELDS if name in patch}
    return [{"job_id": job_id, "patch": concerned}] if concerned else []


def effect(after: Mapping[str, Any], before: Mapping[str, Any], times: Times) -> list[str]:
    """Sentences about a forecast with the change and the one without it."""
    added, removed = after["added"]["count"], after["removed"]["count"]
    sentences = [f"{quantity(added, 'time')} added and {quantity(removed, 'time')} removed in the next {DAYS} days."]
    if not added and not removed:
        sentences = [f"No time is added or removed in the next {DAYS} days."]
    return sentences + _busiest(after, before, times) + _at_once(after, before)


def _busiest(after: Mapping[str, Any], before: Mapping[str, Any], times: Times) -> list[str]:
    hour = max(after["hours"], key=lambda each: each["runs"], default=None)
    if hour is None or not hour["runs"]:
        return []
    now = max((each["runs"] for each in before["hours"]), default=0)
    other = "as without the change" if now == hour["runs"] else f"{quantity(now, 'run')} without the change"
    return [f"The busiest hour of all jobs begins {times.text(hour['at'])}: {quantity(hour['runs'], 'run')}, {other}."]


def _at_once(after: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """The queues in which more or fewer runs fall together."""
    earlier = {each["queue"]: each["peak"]["p95"]["runs"] for each in before["queues"]}
    later = {each["queue"]: each["peak"]["p95"]["runs"] for each in after["queues"]}
    return [
        f"In the queue {queue} up to {quantity(later.get(queue, 0), 'run')} at once instead of {earlier.get(queue, 0)}."
        for queue in sorted(earlier.keys() | later.keys())
        if earlier.get(queue, 0) != later.get(queue, 0)
    ]
