"""The fields of a job that a client may send, as keyword arguments."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict
from uuid import UUID

from duebook.client.models import Job, Model, Run
from duebook.client.paths import name_of

Time = datetime | str
"""A `datetime` with an offset, or RFC 3339 text."""
Duration = timedelta | str
"""A `timedelta`, or ISO 8601 text such as `PT90S`."""

JobRef = str | UUID | Job
"""A job: its id, `key:NAME`, or the `Job` itself."""
RunRef = str | UUID | Run
"""A run: its id, or the `Run` itself."""


class RunFields(TypedDict, total=False):
    """The fields of a job, except its name and its task. What is left out gets the default of the server."""

    payload: Any
    """Any JSON, also as a model of pydantic or a dataclass; 256 KiB at most."""
    scheduled_at: Time
    """When it is due first. Default: now."""
    recurrence: str | Mapping[str, Any]
    """`none`, `daily`, `weekly`, or one of `{"cron": …}`, `{"every": timedelta}`, `{"rrule": …}`."""
    timezone: str
    dst: Mapping[str, str]
    ends_at: Time | None
    max_runs: int | None
    max_retries: int
    backoff: Mapping[str, Any]
    timeout: Duration
    """The limit of one attempt."""
    start_within: Duration | None
    keep: Duration | None
    """How long its runs stay in the database at least, where the installation's retention is shorter."""
    jitter: Duration | None
    pause_on_failure: bool
    overlap: str
    catch_up: Mapping[str, Any]
    queue: str
    priority: int
    concurrency: Mapping[str, Any] | None
    rate: Mapping[str, Any] | None
    then: Sequence[Mapping[str, Any]]
    key: str | None
    """A name of its own, unique among jobs that are not deleted."""
    notify: Mapping[str, Any]
    tags: Sequence[str]
    metadata: Mapping[str, Any]


class JobFields(RunFields, total=False):
    """The fields of a job, except its name."""

    task: str
    """What to run. Default: `log`."""


class JobChanges(JobFields, total=False):
    """The fields that a change may name. What is left out stays; None resets a field to its default."""

    name: str


class JobFilters(TypedDict, total=False):
    """Which jobs; without `status` all but the deleted ones. `text` searches names. At most `limit` jobs."""

    status: str | Sequence[str]
    name: str
    task: str
    queue: str
    tag: str
    key: str
    text: str
    limit: int | None


class DeadLetterFilters(TypedDict, total=False):
    """Which dead letters; `text` searches names and errors. At most `limit`."""

    job: JobRef
    task: str
    queue: str
    tag: str
    fingerprint: str
    text: str
    limit: int | None


class RunFilters(TypedDict, total=False):
    """Which runs; `text` searches names and errors. At most `limit` runs."""

    status: str | Sequence[str]
    job: JobRef
    task: str
    queue: str
    trigger: str
    tag: str
    text: str
    cause: RunRef
    limit: int | None


_NAMES = {"job": "job_id", "text": "q"}


def query_of(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters as the API names them; the limit is none of them."""
    given = {_NAMES.get(name, name): value for name, value in filters.items() if name != "limit"}
    return {name: name_of(value) if isinstance(value, Model) else value for name, value in given.items()}
