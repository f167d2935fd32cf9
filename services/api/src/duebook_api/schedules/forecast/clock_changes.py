"""The days in a window on which clocks change, and the jobs whose times fall into the gap or the fold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from duebook_api.schedules.forecast.counts import HourlyCounts
from duebook_api.schedules.forecast.plans import Plan
from duebook_api.schedules.preview import around, changes
from duebook_common.domain.definition import Dst, Every
from duebook_common.domain.schedule.dst import Change

_NEAR = timedelta(days=2)
_FOLD = {"first": "runs the first time", "second": "runs the second time", "both": "runs both times"}


@dataclass(frozen=True, slots=True)
class AffectedJob:
    """A job with times that the clocks leave out (`gap`) or show twice (`fold`), and what its `dst` makes of them."""

    plan: Plan
    falls_in: str
    does: str


@dataclass(frozen=True, slots=True)
class ClockChange:
    zone: str
    change: Change
    hits: Sequence[AffectedJob]

    @property
    def says(self) -> str:
        old, new = self.change.old_end, self.change.new_start
        return f"on {old:%Y-%m-%d} the clocks in {self.zone} go from {old:%H:%M} to {new:%H:%M}"


def clock_changes(counted: Iterable[HourlyCounts], start: datetime, end: datetime) -> list[ClockChange]:
    """The changes in [start, end) of the zones whose clocks the jobs keep, in order."""
    by_zone: dict[str, list[HourlyCounts]] = {}
    for each in counted:
        definition = each.plan.definition
        if definition.recurrence != "none" and not isinstance(definition.recurrence, Every):
            by_zone.setdefault(definition.timezone, []).append(each)
    found = [
        ClockChange(zone, change, [hit for each in jobs if (hit := _hit(each, change)) is not None])
        for zone, jobs in by_zone.items()
        for change in changes(ZoneInfo(zone), start.astimezone(UTC), end.astimezone(UTC))
    ]
    return sorted(found, key=lambda each: (each.change.at, each.zone))


def _hit(counted: HourlyCounts, change: Change) -> AffectedJob | None:
    definition = counted.plan.definition
    if not counted.first - _NEAR <= change.at <= counted.last + _NEAR:
        return None
    plain = around(definition, change, Dst("skip", "first"))
    if around(definition, change, Dst("run_after", "first")) != plain:
        does = "runs when the gap ends" if definition.dst.gap == "run_after" else "is left out"
        return AffectedJob(counted.plan, "gap", f"{does} (dst.gap {definition.dst.gap})")
    if around(definition, change, Dst("skip", "both")) != plain:
        return AffectedJob(counted.plan, "fold", f"{_FOLD[definition.dst.fold]} (dst.fold {definition.dst.fold})")
    return None
