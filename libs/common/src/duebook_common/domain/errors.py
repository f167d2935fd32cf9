"""Why a command is refused. Each error has a stable code; `http/problems.py` of the API turns them into answers."""

from datetime import timedelta
from uuid import UUID


class CommandRejected(Exception):
    """The command contradicts what has already happened. Nothing was written."""

    code = "conflict"


class StaleAttempt(CommandRejected):
    """The outcome is of an attempt that is no longer the run's current one: its fencing token is old."""

    code = "stale_attempt"

    def __init__(self, run_id: UUID, reported: int, current: int) -> None:
        super().__init__(f"attempt {reported} of run {run_id} reported, but attempt {current} is the current one")
        self.reported, self.current = reported, current


class WrongStatus(CommandRejected):
    """The run or job has a status in which the command does not apply."""

    code = "wrong_status"

    def __init__(self, subject: str, status: str, required: str) -> None:
        super().__init__(f"{subject} is {status}; it must be {required}")
        self.status = status


class JobDeletedAlready(CommandRejected):
    """The job was deleted: it can only be read."""

    code = "job_deleted"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"job {job_id} is deleted; create a new one instead")


class OutcomePending(CommandRejected):
    """The outcome of the run is still to be mailed, or its follow-ups are to be triggered: its contents are needed."""

    code = "outcome_pending"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(
            f"the outcome of run {run_id} is still to be mailed, or its follow-ups are to be triggered; repeat the "
            "request once its mails are sent or given up"
        )


class ContentsErased(CommandRejected):
    """The contents of the run were erased: it cannot be repeated."""

    code = "erased"

    def __init__(self, run_id: UUID) -> None:
        super().__init__(f"the payload of run {run_id} was erased; trigger its job with the payload that is wanted")


class TooManyActiveRuns(CommandRejected):
    """The job has as many active runs as it may have."""

    code = "too_many_active_runs"

    def __init__(self, job_id: UUID, wanted: int, limit: int) -> None:
        super().__init__(
            f"job {job_id} would have {wanted:,} active runs, and DUEBOOK_MAX_ACTIVE_RUNS allows {limit:,}; "
            "wait until some have ended, cancel some, or ask for fewer"
        )


class QueueIsPaused(WrongStatus):
    """The run's queue was paused before the command was recorded: the run may neither be sent nor started."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"the queue {queue!r}, or the whole installation,", "paused", "resumed")


class JobKeyTaken(CommandRejected):
    """Another job, which is not deleted, has the key that a job was to get."""

    code = "key_taken"

    def __init__(self) -> None:
        super().__init__("another job has this `key`; use that job, or another key")


class RateExceeded(WrongStatus):
    """The key of the run's rate has had as many starts as it allows. `wait` is how long no further start is allowed."""

    def __init__(self, key: str, wait: timedelta) -> None:
        super().__init__(f"the rate of the key {key!r}", "exceeded", "free")
        self.wait = wait


class StaleVersion(CommandRejected):
    """The version of the definition is not one that `If-Match` or `If-None-Match` admits."""

    code = "stale_version"

    def __init__(self, given: str, current: int) -> None:
        detail = f"the job's version is {current}, not {given}; read it again and repeat the change"
        if '"' not in given:
            detail = f'If-Match must be "{current}", in quotes, for the job\'s version {current}'
        super().__init__(detail)


class AlreadyExists(CommandRejected):
    """`If-None-Match` admits a new job, or another version, and the job exists at this one."""

    code = StaleVersion.code

    def __init__(self, current: int) -> None:
        super().__init__(f"If-None-Match does not admit the job at version {current}; leave it out to change the job")


class KeyReused(CommandRejected):
    """The Idempotency-Key was already used for a different request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used with a different request; use a new key")
