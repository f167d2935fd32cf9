"""A job on the command line: its id, `key:` and its key, or its name where no other job has it."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from duebook.cli.failures import Ambiguous, NotFound
from duebook.cli.options import is_id, resource_path
from duebook.cli.output import aligned, in_words, one_line
from duebook.client import Client

Job = Annotated[
    str, typer.Argument(metavar="JOB", show_default=False, help="A job's id, key:KEY, or its name if no other has it.")
]
OfJob = Annotated[
    str | None,
    typer.Option("--job", metavar="JOB", help="Only of this job: its id, key:KEY, or its name if no other has it."),
]
_SHOWN = 10
_KEY = "key:"


def job_path(api: Client, job: str, *more: str) -> str:
    """The path of a job in the API."""
    return resource_path("job", job_id(api, job), *more)


def job_id(api: Client, job: str) -> str:
    """The id of a job that is named by it or by its name; raises NotFound or Ambiguous."""
    if is_id(job) or not job.strip():
        return job
    if job.startswith(_KEY):
        return quote(job, safe="")
    found = _named(api, job)
    if not found:
        raise NotFound(f"there is no job with the id or the name {job!r}; `duebook job list` shows all jobs")
    if len(found) > 1:
        raise Ambiguous("\n".join(_candidates(job, found)))
    return str(found[0]["id"])


def filter_id(api: Client, job: str | None) -> str | None:
    """The id for a filter by job; None if there is no such filter."""
    if job is None or job.startswith(_KEY):
        return job
    return resource_path("job", job_id(api, job)).rpartition("/")[2]


def _named(api: Client, name: str) -> list[dict[str, Any]]:
    """The jobs with this name; deleted ones only if there are no others."""
    return list(api.items("/api/job", _SHOWN + 1, name=name)) or list(
        api.items("/api/job", _SHOWN + 1, name=name, status="deleted")
    )


def _candidates(name: str, jobs: list[dict[str, Any]]) -> list[str]:
    number = f"{len(jobs)}" if len(jobs) <= _SHOWN else f"more than {_SHOWN}"
    columns = ("id", "status", "task", "recurrence", "created_at")
    rows = [[one_line(in_words(column, job.get(column))) for column in columns] for job in jobs[:_SHOWN]]
    return [f"{number} jobs have the name {name!r}; name one by its id:", *(f"  {line}" for line in aligned(rows))]
