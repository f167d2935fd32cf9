"""What a request for a forecast may say."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from duebook_api.http.fields import Body, Instant, Name, Queue, Tag, Task, one_of
from duebook_api.http.path_ids import UUID_TEXT
from duebook_api.schemas.bodies import JobBody

Id = Annotated[str, Field(pattern=UUID_TEXT)]
_LONGEST, _FARTHEST = timedelta(days=400), timedelta(days=3660)
_SHAPES = (
    'a change is {"job_id": "…", "patch": {…}}, or {"create": {…}} with a job as in POST /api/job, or {"delete": "…"} '
    "with a job's id"
)


class ForecastFilter(Body):
    """Which jobs; all that are active where nothing is said."""

    status: Annotated[Literal["active", "paused"], one_of("active", "paused")] = "active"
    name: Name | None = None
    task: Task | None = None
    queue: Queue | None = None
    tag: Tag | None = None
    job_id: Id | None = None


class ChangeBody(Body):
    """One change, in one of three shapes: `job_id` with `patch`, `create`, or `delete`."""

    job_id: Id | None = None
    patch: dict[str, Any] | None = None
    create: JobBody | None = None
    delete: Id | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        given = {name for name in self.model_fields_set if getattr(self, name) is not None}
        if given not in ({"job_id", "patch"}, {"create"}, {"delete"}):
            raise ValueError(_SHAPES)
        return self


class ForecastBody(Body):
    """A window, the jobs, and what would be changed of them."""

    from_: Instant = Field(alias="from")
    to: Instant
    filter: ForecastFilter = Field(default_factory=ForecastFilter)
    changes: Annotated[list[ChangeBody], Field(max_length=100)] | None = None

    def wrong(self, now: datetime) -> tuple[str, str] | None:
        """What is wrong about the window, and where."""
        if self.to <= self.from_:
            return "/to", "this must be later than from"
        if self.to - self.from_ > _LONGEST:
            return "/to", f"a forecast spans {_LONGEST.days} days at most; ask for a part of the window at a time"
        if self.to <= now:
            return "/to", "this lies in the past, where a job's ledger says what became of each time; name a time ahead"
        if self.to > now + _FARTHEST:
            return "/to", f"a forecast looks {_FARTHEST.days} days ahead at most; name an earlier time"
        return None
