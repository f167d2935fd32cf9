"""Logs and metrics: one shape for all services."""

import logging
import sys
from collections.abc import Iterable
from importlib.metadata import version
from io import StringIO
from itertools import product
from typing import Literal

import orjson
import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from duebook_common.runtime.log_errors import ErrorDescriber, write_traceback

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

RUNS = Counter("duebook_runs_total", "Attempts and skips by outcome.", ["queue", "outcome"])
RUN_DURATION = Histogram("duebook_run_duration_seconds", "Duration of attempts.", ["queue"], buckets=_SECONDS)
START_DELAY = Histogram(
    "duebook_schedule_to_start_seconds", "From a run's due time to its first start.", ["queue"], buckets=_SECONDS
)
RETRIES = Counter("duebook_retries_total", "Failed and lost attempts that will be retried.", ["queue"])
DEAD_LETTERS = Counter("duebook_dead_letters_total", "Runs that were dead-lettered.", ["queue"])
# A registry of its own: in one registry the library refuses a gauge `duebook_dead_letters` beside the counter
# `duebook_dead_letters_total`.
DEAD_LETTER_REGISTRY = CollectorRegistry()
CURRENT_DEAD_LETTERS = Gauge(
    "duebook_dead_letters", "Dead letters neither redriven nor discarded.", ["queue"], registry=DEAD_LETTER_REGISTRY
)
DEAD_LETTER_AGE = Gauge("duebook_dead_letter_oldest_age_seconds", "Age of the oldest of these dead letters.")
DUE_RUNS = Gauge(
    "duebook_due_runs",
    "Runs that are due or wait and are not sent, and jobs with a due, undecided occurrence.",
    ["queue"],
)
RUNNING_RUNS = Gauge("duebook_running_runs", "Runs with an attempt under way.", ["queue"])
OVERDUE_JOBS = Gauge("duebook_overdue_jobs", "Jobs that are due for longer than the misfire time.")
PAUSED_QUEUES = Gauge("duebook_paused_queues", "Queues that are paused; a freeze of the installation counts as one.")
RELAY_LAG = Gauge("duebook_relay_lag_events", "Events that the relay has not processed yet.")
FEED_HORIZON_AGE = Gauge(
    "duebook_feed_horizon_age_seconds", "For how long a transaction that writes has held back the readers of the log."
)
OLDEST_XMIN_AGE = Gauge(
    "duebook_oldest_xmin_age_transactions", "Transactions since the oldest snapshot for which vacuum keeps dead rows."
)
TABLE_ROWS = Gauge("duebook_table_rows", "Rows of a table by PostgreSQL's count: `live` or `dead`.", ["table", "state"])
ARCHIVES = Counter("duebook_archives_total", "Periods that have left the database for an archive.")
ARCHIVED_EVENTS = Counter("duebook_archived_events_total", "Events that have left the database for an archive.")
ARCHIVE_OVERDUE = Gauge(
    "duebook_archive_overdue_seconds", "For how long the oldest period is older than the retention and has not left."
)
ERASURE_OVERDUE = Gauge(
    "duebook_archive_erasure_overdue_seconds", "For how long the oldest erasure has not reached its archive."
)
LOG_AHEAD = Gauge("duebook_log_ahead", "1 if the log was restored from another cluster and not rebased, else 0.")
CONFLICTS = Counter("duebook_append_conflicts_total", "Appends that lost a version conflict and were decided again.")
LOCKS = Counter("duebook_locks_total", "Attempts to acquire or renew Redis locks, by result.", ["result"])
ABANDONED_TASKS = Gauge(
    "duebook_abandoned_tasks", "Tasks given up after a time-out or a cancellation whose code still runs."
)
STALE_OUTCOMES = Counter("duebook_stale_outcomes_total", "Outcomes refused because a later attempt owns the run.")
NOTIFICATIONS = Counter("duebook_notifications_total", "E-mails by outcome.", ["outcome"])
DELIVERIES = Counter("duebook_deliveries_total", "Deliveries by the recorded state of their run.", ["verdict"])
LOOP_FAILURES = Counter("duebook_loop_failures_total", "Failed steps of background loops.", ["loop"])
PROCESS_RESTARTS = Counter(
    "duebook_process_restarts_total", "Processes of an executor that have ended and were started again.", ["process"]
)
BUILD = Gauge("duebook_build_info", "The running version.", ["service", "version"])

_Metric = Counter | Gauge | Histogram
_OF_RUNS: set[_Metric] = {RUNS, RETRIES, DEAD_LETTERS}
_OF_QUEUES: set[_Metric] = {CURRENT_DEAD_LETTERS, DUE_RUNS, RUNNING_RUNS}
_OF_DATABASE: set[_Metric] = {LOG_AHEAD, FEED_HORIZON_AGE, OLDEST_XMIN_AGE, TABLE_ROWS}
# What each service measures; all of them have LOOP_FAILURES, BUILD, and the metrics of their process.
MEASURED: dict[str, set[_Metric]] = {
    "api": {*_OF_QUEUES, DEAD_LETTER_AGE, OVERDUE_JOBS, PAUSED_QUEUES, *_OF_DATABASE, CONFLICTS},
    "scheduler": {*_OF_RUNS, RELAY_LAG, CONFLICTS, ARCHIVES, ARCHIVED_EVENTS, ARCHIVE_OVERDUE, ERASURE_OVERDUE},
    "executor": {*_OF_RUNS, RUN_DURATION, START_DELAY, DELIVERIES, LOCKS, STALE_OUTCOMES, ABANDONED_TASKS, CONFLICTS},
    "executor-parent": {PROCESS_RESTARTS},
    "notifier": {NOTIFICATIONS, LOCKS, CONFLICTS},
}


def show_only_own_metrics(service: str) -> None:
    """Drop the metrics that only other services measure: here they would stand at 0 and mean nothing."""
    elsewhere: set[_Metric] = set().union(*MEASURED.values()) - MEASURED.get(service, set())
    for metric in elsewhere:
        (DEAD_LETTER_REGISTRY if metric is CURRENT_DEAD_LETTERS else REGISTRY).unregister(metric)


def show_at_zero(metric: _Metric, *values: Iterable[str]) -> None:
    """Show every combination of these label values, so that the first increment of each is seen as one."""
    for combination in product(*values):
        metric.labels(*combination)


def _without_contents(exc_info: structlog.typing.ExcInfo) -> str:
    written = StringIO()
    write_traceback(written, exc_info)
    return written.getvalue().rstrip()


_FORMAT_WITHOUT_CONTENTS = structlog.processors.ExceptionRenderer(_without_contents)


def configure(service: str, style: Literal["json", "console"], level: str, *, contents: bool = False) -> None:
    """Write structured log lines to stderr, those of the standard library's loggers included.

    With `contents` they quote errors whose text may have some of a payload, a result or an address.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if contents else _FORMAT_WITHOUT_CONTENTS,
        ErrorDescriber(contents=contents),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(style)],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("aio_pika", "aiormq", "httpx2", "uvicorn.access"):  # our own lines report the same, with more context
        logging.getLogger(name).setLevel(logging.ERROR)
    BUILD.labels(service, version("duebook-common")).set(1)


def _renderer(style: str) -> structlog.types.Processor:
    if style == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=str).decode())
