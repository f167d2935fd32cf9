"""The view model of the list of jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from markupsafe import Markup

from duebook_api.console.pages.bulk import BulkLink, bulk_link, used_filters
from duebook_api.console.pages.schedules import in_words
from duebook_api.console.pages.status import look
from duebook_api.console.pages.svg.ticks import ticks
from duebook_api.console.pages.times import Times
from duebook_api.history.last_runs import LastRun
from duebook_api.jobs.job_list import JobQuery
from duebook_common.domain.bulk.events import BulkAction

STATUSES = (
    ("", "all but deleted"),
    ("active", "active"),
    ("paused", "paused"),
    ("finished", "finished"),
    ("deleted", "deleted"),
)


BULK_ACTIONS = (BulkAction.PAUSE, BulkAction.RESUME, BulkAction.TRIGGER, BulkAction.DELETE)


@dataclass(frozen=True, slots=True)
class JobRow:
    id: UUID
    name: str
    key: str
    schedule: str
    task: str
    queue: str
    tags: Sequence[str]
    zone: str
    status: str
    reason: str
    end: str
    next_due_at: datetime | None
    in_jobs_zone: str
    warnings: Sequence[str]
    outcomes: Markup


def bulk_links(q: JobQuery) -> list[tuple[BulkAction, BulkLink]]:
    """What can be done to all jobs that match the filter."""
    links = ((action, bulk_link(action, used_filters(q))) for action in BULK_ACTIONS)
    return [(action, link) for action, link in links if link is not None]


def job_rows(jobs: Sequence[Mapping[str, Any]], runs: Mapping[UUID, Sequence[LastRun]], times: Times) -> list[JobRow]:
    return [_row(job, runs.get(job["id"], ()), times) for job in jobs]


def _row(job: Mapping[str, Any], runs: Sequence[LastRun], times: Times) -> JobRow:
    return JobRow(
        id=job["id"],
        name=job["name"],
        key=job["key"] or "",
        schedule=in_words(job),
        task=job["task"],
        queue=job["queue"],
        tags=job["tags"],
        zone=job["timezone"],
        status=job["status"],
        reason=job.get("reason") or "",
        end=end_of(job["status"], runs),
        next_due_at=job["next_due_at"],
        in_jobs_zone=in_jobs_zone(job, times),
        warnings=[each.partition(",")[0] for each in job["warnings"]],
        outcomes=outcomes(runs, times, job["timezone"]),
    )


def end_of(status: str, runs: Sequence[LastRun]) -> str:
    """How the last run of a finished job stands; empty if that succeeded: then the job ended well."""
    if status != "finished" or not runs or runs[-1].status == "succeeded":
        return ""
    return runs[-1].status


def in_jobs_zone(job: Mapping[str, Any], times: Times) -> str:
    """The next time by the clocks that the schedule of the job follows, if the reader sees other ones."""
    at, zone = job["next_due_at"], job["timezone"]
    follows_clocks = job["recurrence"] != "none" and "every" not in job["recurrence"]
    if at is None or not follows_clocks or (text := Times(times.now, zone).text(at)) == times.text(at, zone):
        return ""
    return f"{text} {zone}"


def outcomes(runs: Sequence[LastRun], times: Times, zone: str) -> Markup:
    """The last runs as ticks."""
    return ticks([(run.status, f"{times.text(run.nominal_at, zone)}: {look(run.status).word}") for run in runs])
