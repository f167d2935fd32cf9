"""The line of a day: how many events it has, and a hash that covers them and the line of the day before.

A line that is kept elsewhere proves later that no event up to then was changed, added or removed, by any role of the
database. An erasure leaves the line as it is.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256

from duebook_common.domain.set_hash import SetHash

_LINE = re.compile(r"(\d{4}-\d\d-\d\d) ([\d,]+) events? ([0-9a-f]{64})")


@dataclass(slots=True)
class EventSet:
    """A number of events and the hash of their set."""

    events: int = 0
    hash: SetHash = field(default_factory=SetHash)

    def add(self, leaf: bytes) -> None:
        """Add an event by its digest."""
        self.events += 1
        self.hash.add(leaf)

    def include(self, other: "EventSet") -> None:
        """Add the events of a disjoint set."""
        self.events += other.events
        self.hash.include(other.hash)

    def same(self, other: "EventSet") -> bool:
        return self.events == other.events and self.hash.state == other.hash.state


@dataclass(frozen=True, slots=True)
class DepartedDay:
    """The events of a day that have left the database with the period `born` (UTC)."""

    day: date
    born: datetime
    events: EventSet


@dataclass(frozen=True, slots=True)
class DayLine:
    """What is published of a day (UTC)."""

    day: date
    events: int
    hash: str

    def __str__(self) -> str:
        return f"{self.day} {self.events:,} event{'' if self.events == 1 else 's'} {self.hash}"


def parse_line(text: str) -> DayLine:
    """The line in its published form; raises ValueError."""
    found = _LINE.fullmatch(text.strip())
    if found is None:
        raise ValueError("a line is a date, a number of events and 64 hexadecimal digits: see `duebook day-lines`")
    return DayLine(date.fromisoformat(found[1]), int(found[2].replace(",", "")), found[3])


def line_of(day: date, events: EventSet, before: DayLine | None, departed: Iterable[DepartedDay]) -> DayLine:
    """The line of a day, after the line `before`. It also covers what was noted as departed since that line."""
    gone = [
        [each.day.isoformat(), each.born.isoformat(), each.events.events, each.events.hash.digest.hex()]
        for each in sorted(departed, key=lambda each: (each.born, each.day))
    ]
    covered = [before and str(before), day.isoformat(), events.events, events.hash.digest.hex(), gone]
    return DayLine(day, events.events, sha256(json.dumps(covered).encode()).hexdigest())
