"""The columns of lists hold every field of what they list."""

from typing import Any

from duebook_api.schemas.listed import LISTED_JOBS
from duebook_common.store import rows


def test_a_row_of_the_list_of_jobs_has_every_field_of_a_job() -> None:
    read = {"job_id", "definition", "status", *rows._JOB_FIELDS}
    columns: set[Any] = {part.split()[-1] for part in LISTED_JOBS.split(",")}
    assert read <= columns
