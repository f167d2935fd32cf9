"""What `verify` reports: which invariant does not hold, and where."""

from dataclasses import dataclass
from enum import IntEnum


class Invariant(IntEnum):
    """The invariants that log and rows can show to be broken, by their numbers in ARCHITECTURE.md, "Invariants"."""

    ACCOUNTED_FOR = 1
    LIMITS = 2
    FENCED = 3
    NOTHING_STRANDS = 4
    READ_MODELS = 5
    FEED = 6
    APPEND_ONLY = 8
    EXACTLY_ONCE = 9


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold, the stream in which that shows, and how."""

    invariant: Invariant
    stream: str
    says: str
