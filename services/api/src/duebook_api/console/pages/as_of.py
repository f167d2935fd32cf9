"""The instants at which a job or a run can be shown again: those of its events, for a slider."""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple, Protocol

from duebook_api.console.pages.events import type_in_words

MOST = 200  # of the newest events


class Recorded(Protocol):
    @property
    def type(self) -> str: ...
    @property
    def recorded_at(self) -> datetime: ...


class Instant(NamedTuple):
    """An instant with events, and what they did. `value` stands in the URL; `chosen`: the page shows it."""

    at: datetime
    words: str
    chosen: bool

    @property
    def value(self) -> str:
        return self.at.isoformat()


def instants(events: Iterable[Recorded], as_of: datetime | None) -> list[Instant]:
    """The instants, oldest first. One transaction records several events at the same one.

    An `as_of` before all of them is an instant too, the first: the page shows it.
    """
    ordered = sorted(events, key=attrgetter("recorded_at"))[-MOST:]
    found = [
        (at, ", ".join(dict.fromkeys(type_in_words(event.type) for event in same)))
        for at, same in groupby(ordered, attrgetter("recorded_at"))
    ]
    if as_of is not None and found and as_of < found[0][0]:
        found.insert(0, (as_of, "before these events"))
    reached = sum(1 for at, _ in found if as_of is not None and at <= as_of)
    return [Instant(at, words, n == reached) for n, (at, words) in enumerate(found, 1)]
