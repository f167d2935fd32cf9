"""Answers in numbers: the overview, and statistics over time."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from duebook_api.schemas.answers import Duration


class RunCounts(BaseModel):
    """Runs by state. `dispatched`: sent, and no executor has started them yet.

    `due`: not yet sent to their queue. Jobs with an occurrence that is due and not decided yet count as one each.
    """

    due: int
    dispatched: int
    waiting: int
    running: int
    retrying: int
    dead_lettered: int


class QueueCounts(RunCounts):
    """The runs of one queue."""

    queue: str


class Pause(BaseModel):
    """A pause that goes on: who paused, why, and since when."""

    paused_by: str
    reason: str | None
    since: AwareDatetime


class PausedQueue(Pause):
    """A paused queue, or the whole installation."""

    queue: str


class OutcomeCounts(BaseModel):
    """Runs by what they came to. `skipped` counts occurrences too, and `failed` the attempts that failed."""

    succeeded: int
    dead_lettered: int
    cancelled: int
    skipped: int
    discarded: int
    failed: int


class Quantiles(BaseModel):
    """In seconds, right to a sixth; null without any."""

    p50: float | None
    p95: float | None
    p99: float | None


class Rollup(BaseModel):
    """Outcomes of some time, and how late and long the attempts were."""

    counts: OutcomeCounts
    started: int
    lateness: Quantiles
    duration: Quantiles


class HourRollup(Rollup):
    """An hour."""

    at: AwareDatetime


class ServiceCounts(BaseModel):
    """The processes of a service, by state."""

    service: str
    alive: int
    draining: int
    lost: int


class LedgerHour(BaseModel):
    """The nominal times of some recurring jobs in an hour."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    jobs: int
    expected: int
    unaccounted: int


class Overview(RunCounts):
    """`overdue_jobs` are due for longer than the misfire time. A queue without runs in these states is left out."""

    at: AwareDatetime
    overdue_jobs: int
    oldest_dead_letter_at: AwareDatetime | None
    paused: list[PausedQueue]
    queues: list[QueueCounts]
    last_hour: Rollup
    hours: list[HourRollup]
    throughput: float
    services: list[ServiceCounts]
    ledger: LedgerHour


class StatisticsTotal(Rollup):
    """What is counted of one key. Without a key it is everything, or what the other keys have."""

    key: str | None


class StatisticsItem(StatisticsTotal):
    """What is counted of one key in one step."""

    at: AwareDatetime


class Statistics(BaseModel):
    """Counts of a range of time in steps; the totals are those of the whole range."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    step: Duration
    by: Literal["outcome", "queue", "task", "job"]
    totals: list[StatisticsTotal]
    items: list[StatisticsItem]
