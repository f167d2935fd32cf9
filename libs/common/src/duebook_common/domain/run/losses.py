"""How an attempt whose executor is gone ends, and how a run ends of which no attempt is left."""

from datetime import datetime, timedelta

from duebook_common.domain.run.events import AttemptLost, RunCancelled, RunDeadLettered, RunEvent
from duebook_common.domain.run.evolve import evolve
from duebook_common.domain.run.fingerprint import fingerprint
from duebook_common.domain.run.state import Run

BURY_WITHIN = timedelta(minutes=1)
LOST = "the executor was silent for longer than its lease"
EXECUTOR_ENDED = "the executor ended during the attempt"


def lose(run: Run, error: str, chance: float, ended_at: datetime, now: datetime) -> list[RunEvent]:
    """The attempt counts as failed. Its retry is delayed from the end of the attempt, as far as that is known."""
    failures = run.failures + 1
    retries = failures < run.max_attempts and not run.cancel_requested
    retry_at = max(ended_at + run.backoff.delay(failures, chance), now) if retries else None
    lost = AttemptLost(attempt=run.attempt, error=error, failures=failures, retry_at=retry_at, at=now)
    if retries:
        return [lost]
    if run.cancel_requested:
        return [lost, RunCancelled(attempt=run.attempt, reason=run.reason, at=now)]
    return [lost, dead_letter(evolve(run, lost), failures, error, now)]


def dead_letter(run: Run, failures: int, error: str, now: datetime, within: timedelta = BURY_WITHIN) -> RunDeadLettered:
    """No attempt is left: its message is buried `within` that time, or else the scheduler sends another one."""
    return RunDeadLettered(
        dispatch=run.dispatch,
        failures=failures,
        error=error,
        fingerprint=fingerprint(run.task, error),
        wake_at=now + within,
        at=now,
    )
