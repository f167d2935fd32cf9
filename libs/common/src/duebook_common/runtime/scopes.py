"""The scopes of API keys: what a key may do. Each names a resource and a verb, or a verb for all resources."""

from collections.abc import Collection
from enum import StrEnum


class Scope(StrEnum):
    """`read` grants every `…:read` scope, `write` every `…:write` scope, `*` everything. No other implies another.

    Commands that make or stop runs (trigger, backfill, cancel) need `runs:write`: they do not change the job, but a
    trigger chooses the payload. `payloads:read` adds the payload to the answers about runs. `erase` and `keys` are
    granted by neither verb: what is erased is gone, and a key that may make keys must have been given that, and may
    give no scope that it does not hold.
    """

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    DEAD_LETTERS_READ = "dead-letters:read"
    DEAD_LETTERS_WRITE = "dead-letters:write"
    LOGS_READ = "logs:read"
    EVENTS_READ = "events:read"
    PAYLOADS_READ = "payloads:read"
    QUEUES_READ = "queues:read"
    QUEUES_WRITE = "queues:write"
    MAILS_READ = "mails:read"
    MAILS_WRITE = "mails:write"
    SYSTEM_READ = "system:read"
    ERASE = "erase"
    KEYS = "keys"
    READ = "read"
    WRITE = "write"
    ALL = "*"


EVERYTHING: frozenset[str] = frozenset({Scope.ALL})


def allowed(held: Collection[str], needed: str) -> bool:
    """Whether the scopes that a key holds grant the needed one. A word that is no scope grants nothing."""
    return Scope.ALL in held or needed in held or needed.rpartition(":")[2] in held
