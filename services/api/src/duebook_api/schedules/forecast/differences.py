"""Which nominal times a change would add, and which it would remove."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from duebook_api.schedules.forecast.counts import TooMuch
from duebook_api.schedules.forecast.plans import Plan, times

MOST_SHOWN, MOST_COMPARED = 100, 500_000

_TOO_MUCH = (
    f"the changes concern more than {MOST_COMPARED:,} nominal times; ask for a shorter window, or about fewer changes"
)


@dataclass(frozen=True, slots=True)
class Change:
    """A job as it stands and as it would stand; either may be missing."""

    before: Plan | None
    after: Plan | None


@dataclass(slots=True)
class Times:
    """How many nominal times, and the first of them with the plan that they belong to."""

    count: int = 0
    first: list[tuple[datetime, Plan]] = field(default_factory=list)

    def add(self, time: datetime, plan: Plan) -> None:
        self.count += 1
        if len(self.first) < MOST_SHOWN:
            self.first.append((time, plan))


def differences(changes: Sequence[Change], start: datetime, end: datetime) -> tuple[Times, Times]:
    """The nominal times in [start, end) that are added, and those that are removed. Raises TooMuch."""
    added, removed, compared = Times(), Times(), 0
    for change in changes:
        more, fewer = Times(), Times()
        if change.before is not None and change.after is not None:
            compared += _compare(change.before, change.after, (start, end), more, fewer, MOST_COMPARED - compared)
        elif change.after is not None:
            more = _all(change.after, start, end)
        elif change.before is not None:
            fewer = _all(change.before, start, end)
        _join(added, more)
        _join(removed, fewer)
    return added, removed


def _join(whole: Times, part: Times) -> None:
    whole.count += part.count
    whole.first = sorted([*whole.first, *part.first], key=lambda each: each[0])[:MOST_SHOWN]


def _all(plan: Plan, start: datetime, end: datetime) -> Times:
    """All of a plan's times: counted by passages, only the first are looked at."""
    first = [(time, plan) for time in islice(_each(plan, start, end), MOST_SHOWN)]
    return Times(sum(len(passage) for passage in times(plan, start, end)), first)


def _each(plan: Plan, start: datetime, end: datetime) -> Iterator[datetime]:
    for passage in times(plan, start, end):
        yield from passage


def _compare(
    before: Plan, after: Plan, window: tuple[datetime, datetime], more: Times, fewer: Times, budget: int
) -> int:
    """Walk along both at once; returns how many times that were."""
    if _same(before, after):
        return 0
    olds, news, compared = _each(before, *window), _each(after, *window), 0
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        compared += 1
        if compared > budget:
            raise TooMuch(_TOO_MUCH)
        if new is None or (old is not None and old < new):
            assert old is not None
            fewer.add(old, before)
            old = next(olds, None)
        elif old is None or new < old:
            more.add(new, after)
            new = next(news, None)
        else:
            old, new = next(olds, None), next(news, None)
    return compared


def _same(before: Plan, after: Plan) -> bool:
    same = before.definition.same_schedule(after.definition)
    return same and (before.first, before.left) == (after.first, after.left)
