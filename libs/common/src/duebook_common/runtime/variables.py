"""The names of all variables of Duebook: one that is written wrongly would be ignored in silence."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

PREFIX = "DUEBOOK_"

# Of all services and of the command line: containers share one environment. Without the prefix.
KNOWN = frozenset(
    {
        "AMQP_EXCHANGES",
        "API_KEY",
        "ARCHIVE_URL",
        "AUTH",
        "BASE_PATH",
        "BATCH",
        "CONCURRENCY",
        "CONSOLE",
        "DISPATCH_AHEAD",
        "GRACE",
        "HOST",
        "HTTP_ALLOW",
        "LEASE",
        "LOG_FORMAT",
        "LOG_CONTENTS",
        "LOG_LEVEL",
        "LOOK_AHEAD",
        "MAIL_DOMAINS",
        "MAIL_FROM",
        "MAIL_LIMIT",
        "HTTP_TIMEOUT",
        "MAX_ABANDONED",
        "MAX_ACTIVE_RUNS",
        "MAX_QUEUES",
        "MAX_STREAMS",
        "MAX_TIMEOUT",
        "MISFIRE",
        "NOTIFY_TO",
        "PARTITIONS",
        "POLL_CRON",
        "PORT",
        "PROCESSES",
        "POSTGRES_URL",
        "PUBLIC_URL",
        "QUEUES",
        "QUEUE_IDLE",
        "RABBITMQ_URL",
        "RATE_LIMIT",
        "RETENTION",
        "EXECUTOR_URL",
        "NOTIFIER_URL",
        "REVISION",
        "SCHEDULER_URL",
        "REDIS_URL",
        "RELOAD",
        "SMTP_URL",
        "TASKS",
        "TRACE_URL",
        "URL",
        "VERSION",
        "WEBHOOK_SECRETS",
    }
)
# What the tests set, and what Kubernetes adds for a Service named `duebook-…`.
_OTHERS = re.compile(r"TEST_.*|.*_SERVICE_HOST|.*_SERVICE_PORT(_.*)?|.*_PORT_\d+_(TCP|UDP)(_.*)?")
_FILE = "_FILE"


def unknown(names: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """The names that begin with `DUEBOOK_` and mean nothing, each with the known name that may be meant."""
    for name in sorted(names):
        bare = name.removeprefix(PREFIX).removesuffix(_FILE)
        if name.startswith(PREFIX) and bare not in KNOWN and not _OTHERS.fullmatch(name.removeprefix(PREFIX)):
            [*near] = get_close_matches(bare, sorted(KNOWN), 1, 0.7)
            ending = _FILE if name.endswith(_FILE) else ""
            yield name, f"{PREFIX}{near[0]}{ending}" if near else None
