"""The runs of a tag that few jobs have: the newest of each job, merged. A search would look at the runs of all jobs."""

from collections.abc import Sequence
from uuid import UUID

from duebook_api.http.filters import Listing, newest_first, order_and_limit, within_bytes
from duebook_api.http.paging import SortOrder
from duebook_api.runs.run_list import RunQuery, order_of, statement
from duebook_api.schemas.listed import LISTED_RUNS, RUN_BYTES
from duebook_common.store.database import Pool, acquire

FEW_JOBS = 100
_JOBS = "SELECT job_id FROM jobs WHERE tags @> ARRAY[$1] AND tags <> '{}' LIMIT $2"
_PAGE = {"limit", "cursor", "sort"}


async def run_listing(pool: Pool, q: RunQuery) -> Listing:
    """How the page of runs is read."""
    order = order_of(q)
    if has_tag_alone(q) and order.columns[0] == "created_at":
        async with acquire(pool) as db:
            jobs = [record["job_id"] for record in await db.fetch(_JOBS, q.tag, FEW_JOBS + 1)]
        if len(jobs) <= FEW_JOBS:
            return _of_jobs(q, order, jobs)
    return statement(q)


def has_tag_alone(q: RunQuery) -> bool:
    """Whether each run of the tag's jobs is a match, so that reading a page of each job suffices."""
    return q.model_dump(exclude=_PAGE, exclude_defaults=True).keys() == {"tag"}


def _of_jobs(q: RunQuery, order: SortOrder, jobs: Sequence[UUID]) -> Listing:
    of_job, arguments = newest_first("SELECT * FROM runs", order, q, ("job_id = job.id",))
    of_tag = f"unnest(${len(arguments) + 1}::uuid[]) AS job (id), LATERAL ({of_job}) AS run"
    page = f"SELECT run.* FROM {of_tag} {order_and_limit(order, q.limit + 1)}"  # noqa: S608
    return Listing(within_bytes((page, [*arguments, jobs]), order, LISTED_RUNS, RUN_BYTES), order)
