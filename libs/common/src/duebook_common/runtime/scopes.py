"""What a key may do: a closed list of scopes, each a kind of thing and a verb, or a verb for all kinds."""

from collections.abc import Collection
from enum import StrEnum


class Scope(StrEnum):
    """`read` and `write` hold all that end so, `*` holds all; no other holds another.

    Orders for runs need `runs:write`: they leave their job as it is.
    """

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    DEAD_LETTERS_READ = "dead-letters:read"
    DEAD_LETTERS_WRITE = "dead-letters:write"
    LOGS_READ = "logs:read"
    EVENTS_READ = "events:read"
    READ = "read"
    WRITE = "write"
    ALL = "*"


EVERYTHING: frozenset[str] = frozenset({Scope.ALL})
_KNOWN = frozenset(Scope)


def allowed(held: Collection[str], needed: str) -> bool:
    """Whether a key that holds these may do what needs that one; words that are no scopes allow nothing."""
    return Scope.ALL in held or needed in held or needed.rpartition(":")[2] in held


def unknown(held: Collection[str]) -> list[str]:
    """Those that are no scopes: until scopes counted, a key could be made with any words."""
    return [each for each in held if each not in _KNOWN]
