"""How many runs there are in each hour, counted without a look at each of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from duebook_api.schedules.forecast.plans import Plan, times

HOUR = timedelta(hours=1)
MOST_CELLS = 500_000
_TOO_MUCH = (
    f"the jobs have runs in more than {MOST_CELLS:,} hours, counted for each job by itself; ask for a shorter window, "
    "or filter the jobs"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class TooMuch(Exception):
    """More than can be foretold at once; says what, and what helps."""


@dataclass(frozen=True, slots=True)
class HourlyCounts:
    """A plan's runs by hour, an hour named by its number; `first` and `last` are its nominal times at the ends."""

    plan: Plan
    hours: Counter[int]
    first: datetime
    last: datetime

    @property
    def runs(self) -> int:
        return self.hours.total()


def hour_of(time: datetime) -> int:
    return (time - _EPOCH) // HOUR


def start_of(hour: int) -> datetime:
    return _EPOCH + hour * HOUR


def count(plans: Iterable[Plan], start: datetime, end: datetime) -> list[HourlyCounts]:
    """The plans that have runs in [start, end). Raises TooMuch."""
    found, cells = list[HourlyCounts](), 0
    for plan in plans:
        counted, visited = _count(plan, start, end, MOST_CELLS - cells)
        cells += visited
        if counted is not None:
            found.append(counted)
    return found


def _count(plan: Plan, start: datetime, end: datetime, budget: int) -> tuple[HourlyCounts | None, int]:
    """An hour of a passage is one step, however many times it has."""
    hours, cells = Counter[int](), 1
    first = last = None
    for passage in times(plan, start, end):
        first, last = first or passage.first, passage.last
        rest = passage
        while rest:
            hour = hour_of(rest.first)
            later = rest.since(start_of(hour + 1))
            hours[hour] += len(rest) - len(later)
            rest, cells = later, cells + 1
            if cells > budget:
                raise TooMuch(_TOO_MUCH)
    return (None if first is None or last is None else HourlyCounts(plan, hours, first, last)), cells
