"""The parameters of statistics, and the range of rows that they mean."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from duebook_api.http.fields import JobId, Positive
from duebook_api.http.paging import NoQuery, Text, Time
from duebook_api.http.problems import Fault, invalid
from duebook_common.domain.statistics import DAY, FIVE_MINUTES, HOUR, MINUTE, Dimension, floor, kept_since
from duebook_common.runtime.durations import iso
from duebook_common.store.codec import rfc3339
from duebook_common.store.statistics_queries import StatisticsRange

MOST_STEPS = 1_500  # counted steps of a range; of a grouped answer these times the keys shown
MOST_ITEMS = 5_000
_DIMENSIONS = {"outcome": Dimension.ALL, "queue": Dimension.QUEUE, "task": Dimension.TASK, "job": Dimension.JOB}


class StatsQuery(NoQuery):
    start: Annotated[Time | None, Field(alias="from")] = None
    end: Annotated[Time | None, Field(alias="to")] = None
    step: Positive = HOUR
    by: Literal["outcome", "queue", "task", "job"] = "outcome"
    queue: Text | None = None
    task: Text | None = None
    job_id: JobId | None = None
    keys: Annotated[int, Field(ge=1, le=50)] = 10

    def range(self, now: datetime) -> StatisticsRange:
        """Whole steps that cover the range. Raises Problem 422 if nothing is counted so, or too much is asked for."""
        dimension = self._dimension()
        base = _base(self.step, dimension)
        start, end = self._span(now)
        if start >= end:
            raise invalid(Fault("/from", "this must be earlier than `to`"))
        first, last = floor(start, self.step), floor(end - timedelta(microseconds=1), self.step) + self.step
        wanted = StatisticsRange(first, last, base, self.step, dimension)
        self._must_be_kept(wanted, start, now)
        self._must_be_short(wanted)
        return wanted

    @property
    def key(self) -> str | None:
        """The only key that is wanted."""
        return self.queue or self.task or (self.job_id and self.job_id.lower())

    def _dimension(self) -> Dimension:
        given = [name for name in ("queue", "task", "job_id") if getattr(self, name) is not None]
        wanted = {name.removesuffix("_id") for name in given} | ({self.by} - {"outcome"})
        if len(wanted) > 1:
            message = f"{' and '.join(sorted(wanted))} are not counted together; ask for one of them"
            raise invalid(Fault(f"/{given[-1]}", message))
        return _DIMENSIONS[wanted.pop() if wanted else "outcome"]

    def _span(self, now: datetime) -> tuple[datetime, datetime]:
        if self.end is not None:
            return self.start or self.end - DAY, self.end
        start = self.start or now - DAY
        return start, now if start < now else start + DAY

    def _must_be_kept(self, wanted: StatisticsRange, start: datetime, now: datetime) -> None:
        since = kept_since(wanted.base, wanted.dimension, now)
        if start >= since:
            return
        if wanted.dimension is Dimension.JOB:
            raise invalid(Fault("/from", f"jobs are counted since {rfc3339(since)}; ask for a later time"))
        remedy = f"ask for a later time, or a step of {iso(HOUR)}"
        raise invalid(Fault("/from", f"minutes are counted since {rfc3339(since)}; {remedy}"))

    def _must_be_short(self, wanted: StatisticsRange) -> None:
        count = (wanted.end - wanted.start) // wanted.base
        if count > MOST_STEPS:
            longer = {MINUTE: FIVE_MINUTES, FIVE_MINUTES: HOUR, HOUR: DAY}.get(wanted.base)
            other = f", or a step of {iso(longer)}" if longer else ""
            remedy = f"ask for a shorter range{other}"
            message = f"this range has {count:,} steps of {iso(wanted.base)}, more than {MOST_STEPS:,}; {remedy}"
            raise invalid(Fault("/from", message))
        items = (wanted.end - wanted.start) // wanted.step * (self.keys + 1)
        if wanted.dimension is not Dimension.ALL and self.key is None and items > MOST_ITEMS:
            message = (
                f"steps and keys give {items:,} items, more than {MOST_ITEMS:,}; ask for fewer keys, or longer steps"
            )
            raise invalid(Fault("/keys", message))


def _base(step: timedelta, dimension: Dimension) -> timedelta:
    """The longest counted step of which this one is a multiple."""
    counted = (HOUR,) if dimension is Dimension.JOB else (DAY, HOUR, FIVE_MINUTES, MINUTE)
    base = next((each for each in counted if not step % each), None)
    if base is None:
        raise invalid(Fault("/step", f"this must be a multiple of {iso(counted[-1])}, such as {iso(HOUR)}"))
    return base
