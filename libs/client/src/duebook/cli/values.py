"""The values that options take. The API has the same; they stand here, so that a help text names each of them."""

from enum import StrEnum


class Overlap(StrEnum):
    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    CANCEL_OTHER = "cancel_other"
    TERMINATE_OTHER = "terminate_other"
    ALLOW_ALL = "allow_all"


class CatchUp(StrEnum):
    LATEST = "latest"
    ALL = "all"
    NONE = "none"


class Gap(StrEnum):
    RUN_AFTER = "run_after"
    SKIP = "skip"


class Fold(StrEnum):
    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    DEAD_LETTERED = "dead_lettered"
    ATTEMPT_FAILED = "attempt_failed"
    SKIPPED = "skipped"
    MISSED = "missed"
    CANCELLED = "cancelled"


class JobStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    FINISHED = "finished"
    DELETED = "deleted"


class RunStatus(StrEnum):
    WAITING = "waiting"
    DISPATCHED = "dispatched"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    DEAD_LETTERED = "dead_lettered"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    DISCARDED = "discarded"


class JobSort(StrEnum):
    NEWEST = "-created_at"
    OLDEST = "created_at"
    NAME = "name"
    NAME_DOWNWARDS = "-name"


class RunSort(StrEnum):
    NEWEST = "-created_at"
    OLDEST = "created_at"
    LAST_DUE = "-due_at"
    FIRST_DUE = "due_at"
    LAST_ENDED = "-finished_at"
    FIRST_ENDED = "finished_at"


class Trigger(StrEnum):
    SCHEDULE = "schedule"
    MANUAL = "manual"
    CATCH_UP = "catch_up"
    BACKFILL = "backfill"
    RERUN = "rerun"
    FOLLOW_UP = "follow_up"


class Level(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Presence(StrEnum):
    ALIVE = "alive"
    DRAINING = "draining"
    LOST = "lost"


class BulkAction(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    TRIGGER = "trigger"
    DELETE = "delete"
    CANCEL = "cancel"
    REDRIVE = "redrive"
    DISCARD = "discard"


class BulkStatus(StrEnum):
    RUNNING = "running"
    ABORTED = "aborted"
    ENDED = "ended"


class MailStatus(StrEnum):
    SENT = "sent"
    HELD = "held"
    IN_DIGEST = "in_digest"
    RETRYING = "retrying"
    GIVEN_UP = "given_up"


class LedgerStep(StrEnum):
    DAY = "day"
    MONTH = "month"
