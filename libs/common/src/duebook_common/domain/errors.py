"""Why a command is refused. Each carries a stable code; one place in the API turns them into HTTP."""

from uuid import UUID


class CommandRejected(Exception):
    """The command contradicts what already happened; nothing was written."""

    code = "conflict"


class StaleAttempt(CommandRejected):
    """An outcome names an attempt that no longer owns its run (the fencing token is old)."""

    code = "stale_attempt"

    def __init__(self, run_id: UUID, reported: int, current: int) -> None:
        super().__init__(f"attempt {reported} of run {run_id} reported, but attempt {current} is the current one")
        self.reported, self.current = reported, current


class WrongStatus(CommandRejected):
    """The run or job is in a status in which the command has no meaning."""

    code = "wrong_status"

    def __init__(self, what: str, status: str, wanted: str) -> None:
        super().__init__(f"{what} is {status}; this needs it to be {wanted}")
        self.status = status


class JobDeletedAlready(CommandRejected):
    """The job was deleted: it can be read, and nothing else."""

    code = "job_deleted"

    def __init__(self, job_id: UUID) -> None:
        super().__init__(f"job {job_id} is deleted; create a new one instead")


class StaleVersion(CommandRejected):
    """`If-Match` names a definition that has been changed since."""

    code = "stale_version"

    def __init__(self, given: str, current: int) -> None:
        super().__init__(f"the job's version is {current}, not {given}; read it again and repeat the change")
        self.current = current


class KeyReused(CommandRejected):
    """An Idempotency-Key came a second time with another request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used with a different request; use a new key")
