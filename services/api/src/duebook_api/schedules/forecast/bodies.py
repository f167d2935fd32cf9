"""The request body of a forecast."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from duebook_api.http.fields import Body, Instant, JobId, Name, Queue, Tag, Task, one_of
from duebook_api.schemas.bodies import JobBody

_MAX_WINDOW, _MAX_DISTANCE = timedelta(days=400), timedelta(days=3660)
_SHAPES = (
    'a change is {"job_id": "…", "patch": {…}}, or {"create": {…}} with a job as in POST /api/job, or {"delete": "…"} '
    "with a job's id"
)


class ForecastFilter(Body):
    """The jobs to forecast; without any field all active jobs."""

    status: Annotated[Literal["active", "paused"], one_of("active", "paused")] = "active"
    name: Name | None = None
    task: Task | None = None
    queue: Queue | None = None
    tag: Tag | None = None
    job_id: JobId | None = None


class ChangeBody(Body):
    """One change, in one of three shapes: `job_id` with `patch`, `create`, or `delete`."""

    job_id: JobId | None = None
    patch: dict[str, Any] | None = None
    create: JobBody | None = None
    delete: JobId | None = None

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        if given not in ({"job_id", "patch"}, {"create"}, {"delete"}):
            raise ValueError(_SHAPES)
        return self


class ForecastBody(Body):
    """The window, the jobs, and changes to try on them."""

    from_: Instant = Field(alias="from")
    to: Instant
    filter: ForecastFilter = Field(default_factory=ForecastFilter)
    changes: Annotated[list[ChangeBody], Field(max_length=1_000)] | None = None

    def window_fault(self, now: datetime) -> tuple[str, str] | None:
        """What is wrong with the window, as a JSON pointer and a message; None if nothing is."""
        if self.to <= self.from_:
            return "/to", "this must be later than from"
        if self.to - self.from_ > _MAX_WINDOW:
            return "/to", f"a forecast spans {_MAX_WINDOW.days} days at most; ask for a part of the window at a time"
        if self.to <= now:
            return "/to", "this is in the past; use a later time, or a job's ledger for the outcome of past times"
        if self.to > now + _MAX_DISTANCE:
            return "/to", f"a forecast looks {_MAX_DISTANCE.days} days ahead at most; use an earlier time"
        return None
