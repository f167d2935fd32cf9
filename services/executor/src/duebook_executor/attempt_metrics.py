"""Metrics and log lines of attempts: their start, their outcome."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import structlog

from duebook_common.domain.errors import StaleAttempt
from duebook_common.domain.run.events import AttemptFailed, RunDeadLettered, RunEvent
from duebook_common.domain.run.state import Run
from duebook_common.runtime.log_errors import Contents
from duebook_common.runtime.telemetry import (
    DEAD_LETTERS,
    LOCKS,
    RETRIES,
    RUN_DURATION,
    RUNS,
    STALE_OUTCOMES,
    START_DELAY,
    show_at_zero,
)
from duebook_common.store.run_handling import CommandResult
from duebook_executor.attempt import Attempt

log = structlog.stdlib.get_logger("attempt_metrics")

_OUTCOMES = {
    "AttemptSucceeded": "succeeded",
    "AttemptFailed": "failed",
    "AttemptReleased": "released",
    "RunCancelled": "cancelled",
    "RunDeadLettered": "dead_lettered",
}


def show_metrics(queues: Sequence[str]) -> None:
    """Show all metrics of attempts on these queues before the first attempt."""
    show_at_zero(RUNS, queues, _OUTCOMES.values())
    for metric in (RETRIES, DEAD_LETTERS, RUN_DURATION, START_DELAY):
        show_at_zero(metric, queues)
    show_at_zero(LOCKS, ("acquired", "refused", "lost", "unavailable"))


def count_start(run: Run, now: datetime) -> None:
    """Observe the delay of a run's first attempt; what a pause of the queue kept back was due at its end."""
    if run.attempt == 1:
        due_at = max(run.due_at, run.resumed_at or run.due_at)
        START_DELAY.labels(run.queue).observe(max(0.0, (now - due_at).total_seconds()))


def count_outcome(attempt: Attempt, result: CommandResult) -> None:
    """Count the recorded outcome, or log why it was refused."""
    if isinstance(result.error, StaleAttempt):
        STALE_OUTCOMES.inc()
        log.warning("outcome refused", error=result.error)
    elif result.error is not None:
        log.error("outcome cannot be recorded", error=result.error)
    else:
        RUN_DURATION.labels(attempt.run.queue).observe(asyncio.get_running_loop().time() - attempt.started_at)
        for event in result.events:
            _count_event(attempt, event)


def _count_event(attempt: Attempt, event: RunEvent) -> None:
    queue, task, kind = attempt.run.queue, attempt.run.task, attempt.failure
    RUNS.labels(queue, _OUTCOMES[type(event).__name__]).inc()
    if isinstance(event, AttemptFailed):
        log.info(
            "attempt failed", task=task, kind=kind, failures=event.failures, retry_at=str(event.retry_at),
            error=Contents(event.error),
        )  # fmt: skip
        if event.retry_at is not None:
            RETRIES.labels(queue).inc()
    elif isinstance(event, RunDeadLettered):
        DEAD_LETTERS.labels(queue).inc()
        log.warning("run dead-lettered", task=task, kind=kind, failures=event.failures, error=Contents(event.error))
