"""The values that explanations are made from, and the explanations themselves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from duebook_common.domain.definition import Definition
from duebook_common.domain.job.state import Job
from duebook_common.domain.queue.state import Pause
from duebook_common.domain.run.state import Run

MOST_AHEAD = 10_000  # runs that are counted in the line of a rate, and of those that wait for a concurrency key


@dataclass(frozen=True, slots=True)
class Cause:
    """One sentence of an explanation.

    `at` is when it happened, None for a state that holds now. `event` is the type of the event that records it.
    `run_id` is set if it is about another run. `position` is the event's order in the log (transaction id, position).
    """

    text: str
    at: datetime | None = None
    event: str | None = None
    run_id: UUID | None = None
    position: tuple[int, int] = (0, 0)

    @property
    def view(self) -> dict[str, Any]:
        run = {} if self.run_id is None else {"run_id": self.run_id}
        return {"at": self.at, "says": self.text, "event": self.event} | run


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer in one sentence, and its causes, oldest first."""

    answer: str
    causes: Sequence[Cause]

    @property
    def view(self) -> dict[str, Any]:
        return {"answer": self.answer, "because": [cause.view for cause in self.causes]}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencySlots:
    """The slots of a run's concurrency key: how many are taken, the oldest runs that hold one, and the run's position.

    `ahead` is the number of runs that wait for a slot longer than the run does. Of more than MOST_AHEAD one more is
    counted.
    """

    taken: int
    holders: Sequence[Run]
    ahead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePosition:
    """A run's position in the line of its rate's key: how many runs are `ahead` of it, and about when it starts.

    Of more than MOST_AHEAD runs ahead one more is counted: then the run starts at `expected_at` at the earliest.
    `started` counts the starts within the last span of the rate, `sent` the runs that were sent and have not started.
    """

    ahead: int
    started: int
    sent: int
    expected_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePosition:
    """A run's position in its queue, and what is known of the executors.

    `ahead` is the number of runs before it, `running` that of the queue's running runs. `last_start` is when a run of
    the queue last started, among the latest runs.
    """

    ahead: int
    running: int
    last_start: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What an explanation needs besides the run's own events. Only what the run's status calls for is set.

    `definition` is the one that the run uses. `met` are the other active runs of the job when the run was created, as
    they were then. `blockers` are the runs of the job that must end before this one starts, as they are now.
    `missing`: why no executor could start the run, if it has not started. `pause` is the pause that holds it.
    `reruns` are the first runs that repeat or follow it. `bulk_reason` is that of the bulk operation that triggered it.
    `causing_job` is the name of the job whose run triggered it by its end.
    `queue_pause` is the pause of its queue that goes on, `kept_by` the one during which it fell due.
    """

    now: datetime
    misfire: timedelta
    job: Job
    definition: Definition
    met: Sequence[Run] = ()
    blockers: Sequence[Run] = ()
    slots: ConcurrencySlots | None = None
    rate_position: RatePosition | None = None
    queue_position: QueuePosition | None = None
    missing: str | None = None
    pause: "JobEventSummary | None" = None
    reruns: Sequence[Run] = ()
    bulk_reason: str | None = None
    causing_job: str | None = None
    queue_pause: Pause | None = None
    kept_by: Pause | None = None

    @property
    def zone(self) -> str:
        return self.definition.timezone


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEventSummary:
    """An event of a job's stream without the definition that it may contain.

    `first`, `last` and `count` describe the occurrences of an OccurrencesSkipped, `hold` a JobPaused, `bulk` and
    `bulk_reason` the bulk operation of which the event is a part.
    """

    version: int
    type: str
    at: datetime
    actor: str
    reason: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    count: int | None = None
    hold: bool = False
    bulk: str | None = None
    bulk_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedRun:
    """A run with its explanation."""

    run: Run
    explanation: Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """A job, the events of its stream, the runs that matter to the question, and the pause of its queue, if any."""

    now: datetime
    misfire: timedelta
    job: Job
    events: Sequence[JobEventSummary]
    runs: Sequence[ExplainedRun] = field(default=())
    queue_pause: Pause | None = None

    @property
    def zone(self) -> str:
        return self.job.definition.timezone


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeContext:
    """What the definition in force at the time `at` says about it.

    `definition_version` is the stream version of the event that holds the definition. `is_nominal` says whether `at` is
    one of its nominal times; `before` and `after` are the nearest others. `due_at` includes jitter.
    `occurrences_left` counts the occurrences still to come up to `at`, itself included.
    `is_nominal_today`: only the job's present definition has `at` as a nominal time. `is_after_end`: it would be one
    without `ends_at`.
    """

    at: datetime
    definition: Definition
    definition_version: int
    is_nominal: bool
    before: datetime | None
    after: datetime | None
    due_at: datetime | None
    occurrences_left: int
    is_nominal_today: bool
    is_after_end: bool
