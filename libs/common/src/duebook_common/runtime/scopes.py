"""The scopes of API keys: what a key may do. Each names a resource and a verb, or a verb for all resources."""

from collections.abc import Collection, Mapping
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


MEANINGS: Mapping[Scope, str] = {
    Scope.JOBS_READ: "read jobs with their payloads, events, ledgers and whys; preview and forecast schedules",
    Scope.JOBS_WRITE: "create, change, pause, resume and delete jobs: choose any task, payload, queue and recipient",
    Scope.RUNS_READ: "read runs with their results, errors, events and whys; not their payloads",
    Scope.RUNS_WRITE: "trigger, backfill, repeat and cancel runs; a trigger chooses the whole payload",
    Scope.DEAD_LETTERS_READ: "read dead letters with their payloads",
    Scope.DEAD_LETTERS_WRITE: "redrive and discard dead letters; a redrive of one may replace the whole payload",
    Scope.LOGS_READ: "read the job logs: what tasks wrote, and errors",
    Scope.EVENTS_READ: "read the whole log: everything that was ever recorded, payloads included",
    Scope.PAYLOADS_READ: "see payloads of runs and of their events, and in the console results and log lines too",
    Scope.QUEUES_READ: "read queues and who paused them",
    Scope.QUEUES_WRITE: "pause and resume queues, freeze and thaw the installation",
    Scope.MAILS_READ: "read which mails were sent about runs, with the addresses of recipients",
    Scope.MAILS_WRITE: "have a mail sent again",
    Scope.SYSTEM_READ: "read services, executors, tasks, statistics and settings; no secret is among them",
    Scope.ERASE: "erase payloads, results and log lines for ever",
    Scope.KEYS: "make, list and revoke keys within its own scopes, and read who did what",
    Scope.READ: "use every scope that ends with read",
    Scope.WRITE: "use every scope that ends with write; neither erase nor keys",
    Scope.ALL: "do everything, erase and keys included",
}
"""What each scope lets a key do."""

EVERYTHING: frozenset[str] = frozenset({Scope.ALL})


def allowed(held: Collection[str], needed: str) -> bool:
    """Whether the scopes that a key holds grant the needed one. A word that is no scope grants nothing."""
    return Scope.ALL in held or needed in held or needed.rpartition(":")[2] in held
