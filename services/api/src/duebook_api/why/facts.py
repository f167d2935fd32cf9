"""What explanations are made from, and what they are: values only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import Job
from duebook_common.domain.run.state import Run


@dataclass(frozen=True, slots=True)
class Because:
    """One cause: when it came about, None for what holds now, and the type of the event that tells it.

    `place` is where in the log it stands.
    """

    says: str
    at: datetime | None = None
    event: str | None = None
    run_id: UUID | None = None
    place: tuple[int, int] = (0, 0)

    @property
    def view(self) -> dict[str, Any]:
        run = {} if self.run_id is None else {"run_id": self.run_id}
        return {"at": self.at, "says": self.says, "event": self.event} | run


@dataclass(frozen=True, slots=True)
class Why:
    """One sentence that answers, and the causes, oldest first."""

    answer: str
    because: Sequence[Because]

    @property
    def view(self) -> dict[str, Any]:
        return {"answer": self.answer, "because": [each.view for each in self.because]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """How full a concurrency key is: `held` places are taken, the oldest by `holders`; `before` wait longer."""

    held: int
    holders: Sequence[Run]
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePosition:
    """A run's place in its queue, and what is known of executors.

    `last_start` is when an attempt of the queue last started, as far as recent runs tell; `task_seen_at` when an
    executor last said that it knows the task.
    """

    ahead: int
    running: int
    last_start: datetime | None
    task_seen_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What was looked up beside a run's own events; a part is there only where the run's status asks for it.

    `met` are the other active runs of the job that it met at its beginning, as they stood then; `others` are those
    that must end before it, as they stand now.
    """

    now: datetime
    misfire: timedelta
    job: Job
    definition: Definition  # by which the run was made
    met: Sequence[Run] = ()
    others: Sequence[Run] = ()
    key: Key | None = None
    line: QueuePosition | None = None

    @property
    def zone(self) -> str:
        return self.definition.timezone


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An event of a job's stream, without the definition that it may hold."""

    version: int
    type: str
    at: datetime
    actor: str
    reason: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRun:
    """A run with its explanation."""

    run: Run
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFacts:
    """A job, its events, and its runs that matter to the question."""

    now: datetime
    misfire: timedelta
    job: Job
    steps: Sequence[Step]
    runs: Sequence[ExplainedRun] = field(default=())

    @property
    def zone(self) -> str:
        return self.job.definition.timezone
