"""The list of runs: its filters, and for each the index or the search that finds its rows."""

from collections.abc import Sequence
from typing import Annotated, Literal

from duebook_api.http.fields import JobId
from duebook_api.http.filters import Condition, Listing, some_job_has, within_bytes
from duebook_api.http.paging import (
    RUNS,
    RUNS_BY_DUE_TIME,
    RUNS_BY_END,
    SEVERAL,
    Id,
    PageQuery,
    SortOrder,
    Text,
    Time,
)
from duebook_api.http.search import between, contains, listing
from duebook_api.schemas.listed import LISTED_RUNS, RUN_BYTES
from duebook_common.domain.run.state import ENDED, RunStatus
from duebook_common.store.bulk_rows import RUNS_OF_BULK

Status = Literal[
    "waiting",
    "dispatched",
    "running",
    "retrying",
    "succeeded",
    "dead_lettered",
    "cancelled",
    "skipped",
    "discarded",
]
Sort = Literal["-created_at", "created_at", "-due_at", "due_at", "-finished_at", "finished_at"]


class RunQuery(PageQuery):
    status: Annotated[tuple[Status, ...], SEVERAL] = ()
    job_id: JobId | None = None
    task: Text | None = None
    queue: Text | None = None
    cause: Id | None = None
    bulk: Id | None = None
    trigger: Literal["schedule", "manual", "catch_up", "backfill", "rerun", "follow_up"] | None = None
    executor: Text | None = None
    tag: Text | None = None
    q: Text | None = None
    due_from: Time | None = None
    due_to: Time | None = None
    finished_from: Time | None = None
    finished_to: Time | None = None
    sort: Sort | None = None

    @property
    def sort_name(self) -> str:
        name = self.sort or self._usual_sort
        return "" if name == "-created_at" else name

    @property
    def _usual_sort(self) -> Sort:
        """A range of times sorts by them, unless an index finds the few runs that come into question."""
        by_id = any(each is not None for each in (self.job_id, self.cause, self.bulk))
        if by_id or (self.status and _RARE.issuperset(self.status)):
            return "-created_at"
        if self.due_from or self.due_to:
            return "-due_at"
        return "-finished_at" if self.finished_from or self.finished_to else "-created_at"


_ORDERS: dict[str, SortOrder] = {
    "": RUNS,
    "created_at": RUNS.reversed,
    "-due_at": RUNS_BY_DUE_TIME,
    "due_at": RUNS_BY_DUE_TIME.reversed,
    "-finished_at": RUNS_BY_END,
    "finished_at": RUNS_BY_END.reversed,
}
_OF_STEPS = frozenset({RunStatus.DISPATCHED, RunStatus.RUNNING})
_RARE = frozenset(RunStatus) - {*_OF_STEPS, RunStatus.SUCCEEDED}  # those that `runs_by_status` has
# Most indexes hold only runs without `wake_at`: the few others are updated too often.
_AT_REST, _TO_WAKE = ("wake_at IS NULL",), ("wake_at IS NOT NULL",)
_OF_BULK = f"run_id = ANY(ARRAY({RUNS_OF_BULK}))"
_TAGS = "(SELECT tags FROM jobs WHERE jobs.job_id = candidates.job_id)"


def order_of(q: RunQuery) -> SortOrder:
    return _ORDERS[q.sort_name]


def statement(q: RunQuery) -> Listing:
    """The page of runs."""
    order = order_of(q)
    by_time = order.columns[0]
    due, finished = between("due_at", q.due_from, q.due_to), between("finished_at", q.finished_from, q.finished_to)
    others: list[Condition] = [
        ("trigger = {}", q.trigger),
        ("executor = {}", q.executor),
        (f"{_TAGS} @> ARRAY[{{}}]", q.tag),
        contains(q.q, "job_name", "error"),
    ]
    if by_time == "created_at":
        # A run is created when it is due or later, and before it ends.
        bounds: list[Condition] = [
            ("created_at >= {}", q.due_from),
            ("created_at < {}", q.finished_to),
            some_job_has(q.tag),
        ]
        found = listing("runs", order, q, _alternatives(q, bounds), [*due, *finished, *others])
    else:
        own, other = (due, finished) if by_time == "due_at" else (finished, due)
        ended: list[Condition] = [] if by_time == "due_at" else [("finished_at IS NOT NULL",)]
        parts = [[*own, *ended, some_job_has(q.tag), _of_bulk(q), part] for part in (_AT_REST, _TO_WAKE)]
        found = listing("runs", order, q, parts, [*_equal(q), _one_of(q.status), *other, *others])
    return found._replace(page=within_bytes(found.page, order, LISTED_RUNS, RUN_BYTES))


def _equal(q: RunQuery) -> list[Condition]:
    return [("job_id = {}", q.job_id), ("cause = {}", q.cause), ("task = {}", q.task), ("queue = {}", q.queue)]


def _of_bulk(q: RunQuery) -> Condition:
    """Always a reason to find runs by their ids: to look for each run of a page among 20,000 would take seconds."""
    return (_OF_BULK, q.bulk)


def _one_of(statuses: Sequence[Status]) -> Condition:
    return ("status = ANY({})", [*statuses] or None)


def _alternatives(q: RunQuery, bounds: list[Condition]) -> list[list[Condition]]:
    """The conditions for which there is an index."""
    conditions = [*_equal(q), _of_bulk(q), *bounds]
    if q.status:
        return [[*conditions, *_in_status(status)] for status in dict.fromkeys(q.status)]
    if q.job_id is q.cause is q.bulk is None and (q.task is not None or q.queue is not None):
        return [[*conditions, part] for part in (_AT_REST, _TO_WAKE)]
    return [conditions]


def _in_status(status: Status) -> list[Condition]:
    """The status as a constant in the SQL, and what else its partial index needs.

    The statuses that need nothing else have an index by status.
    """
    named = (f"status = '{status}'",)
    if status in ENDED:
        return [named, _AT_REST]
    return [named, _TO_WAKE] if status in _OF_STEPS else [named]
