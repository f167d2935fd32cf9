"""The list of jobs: its filters, and for each the index or the search that finds its rows."""

from typing import Annotated, Literal

from duebook_api.http.filters import Condition, Listing, job_conditions, within_bytes
from duebook_api.http.paging import JOBS, JOBS_BY_NAME, SEVERAL, PageQuery, Text
from duebook_api.http.search import contains, listing
from duebook_api.schemas.listed import JOB_BYTES, LISTED_JOBS


class JobQuery(PageQuery):
    status: Annotated[tuple[Literal["active", "paused", "finished", "deleted"], ...], SEVERAL] = ()
    name: Text | None = None
    task: Text | None = None
    queue: Text | None = None
    tag: Text | None = None
    key: Annotated[tuple[Text, ...], SEVERAL] = ()
    q: Text | None = None
    sort: Literal["-created_at", "created_at", "name", "-name"] | None = None

    @property
    def sort_name(self) -> str:
        return "" if self.sort in {None, "-created_at"} else str(self.sort)


_ORDERS = {"": JOBS, "created_at": JOBS.reversed, "name": JOBS_BY_NAME.reversed, "-name": JOBS_BY_NAME}


def statement(q: JobQuery) -> Listing:
    """The page of jobs; the status is a constant in the SQL, so that PostgreSQL can use partial indexes."""
    order = _ORDERS[q.sort_name]
    in_status = [f"status = '{each}'" for each in dict.fromkeys(q.status)] or ["status <> 'deleted'"]
    one_of_keys: Condition = ("key = ANY({}) AND key IS NOT NULL", list(q.key) or None)  # for the partial index
    filters = [*job_conditions(q.name, q.task, q.queue, q.tag), one_of_keys]
    has_text = contains(q.q, "name")
    if order.columns == JOBS.columns:
        found = listing("jobs", order, q, [[(each,), *filters] for each in in_status], [has_text])
    else:
        one_of: Condition = (f"({' OR '.join(in_status)})",)
        found = listing("jobs", order, q, [[]], [one_of, *filters, has_text])
    return found._replace(page=within_bytes(found.page, order, LISTED_JOBS, JOB_BYTES))
