"""The calls about jobs. `client.jobs.NAME(…)` performs them; each raises a subclass of `ClientError`."""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack
from uuid import UUID, uuid4

from duebook.client.fields import JobChanges, JobFields, JobFilters, JobRef, Time, query_of
from duebook.client.listing import Listing
from duebook.client.models import Job, Ledger, LedgerEntry, Run, Why
from duebook.client.paths import path_of
from duebook.client.steps import Call, send
from duebook.client.waiting import Wait, send_waiting
from duebook.client.wire import Request
from duebook.unset import UNSET, without_unset


def create(
    name: str, *, wait: Wait | None = None, idempotency_key: str | None = None, **fields: Unpack[JobFields]
) -> Call[Job]:
    """Create a job, once: the call's own retries repeat its Idempotency-Key, by default a new one.

    With `wait` (a timedelta, or seconds; 60 at most) the answer comes when the run of a one-off that is due has ended,
    or after that time: `run` of the job has its state then, None if it has not begun.

    Raises Invalid, whose `errors` name the fields, Conflict if another job has its `key`, and Unreachable.
    """
    return send_waiting(once("/api/job", {"name": name, **fields}, idempotency_key), wait, Job.model_validate)


def batch(jobs: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None) -> Call[list[Job]]:
    """Create up to 1,000 jobs, all or none; each is a mapping of `name` and the fields of a job.

    Raises Invalid, whose `errors` name job and field, as in `/jobs/3/timezone`.
    """
    request = once("/api/job/batch", {"jobs": list(jobs)}, idempotency_key)
    return send(request, lambda answer: [Job.model_validate(job) for job in answer["items"]])


def get(job: JobRef, *, as_of: Time | None = None) -> Call[Job]:
    """The job now, or as it stood at `as_of`; raises NotFound."""
    return send(Request("GET", path_of("job", job), {"as_of": as_of}), Job.model_validate)


def list_jobs(**filters: Unpack[JobFilters]) -> Listing[Job]:
    """The jobs, newest first, page after page."""
    return Listing("/api/job", query_of(filters), Job, filters.get("limit"))


def put(job_id: str | UUID, name: str, *, if_match: int | None = None, **fields: Unpack[JobFields]) -> Call[Job]:
    """Create the job with this id, or replace its definition. The same call twice changes nothing.

    `if_match` is the `version` that is to be replaced; raises Conflict if the job has another one.
    """
    body = {"name": name, **fields}
    return send(Request("PUT", path_of("job", job_id), body=body, headers=_match(if_match)), Job.model_validate)


def update(job: JobRef, *, if_match: int | None = None, **changes: Unpack[JobChanges]) -> Call[Job]:
    """Change the fields that are named; None resets one to its default.

    `if_match` is the `version` that is to be changed; raises Conflict if the job has another one.
    """
    request = Request("PATCH", path_of("job", job), body=dict(changes), headers=_match(if_match))
    return send(request, Job.model_validate)


def pause(job: JobRef, *, reason: str | None = None, hold: bool = False) -> Call[Job]:
    """Skip the job's occurrences until it is resumed. With `hold` runs that have not started wait as well."""
    body = {"reason": reason, "hold": hold}
    return send(Request("POST", path_of("job", job, "pause"), body=body), Job.model_validate)


def resume(job: JobRef, *, reason: str | None = None) -> Call[Job]:
    """Continue with the next occurrence; those of the pause stay skipped."""
    return send(Request("POST", path_of("job", job, "resume"), body={"reason": reason}), Job.model_validate)


def trigger(
    job: JobRef,
    *,
    payload: Any = UNSET,
    overlap: str | None = None,
    wait: Wait | None = None,
    idempotency_key: str | None = None,
) -> Call[Run]:
    """Start a run now, once, also while the job is paused; `payload` replaces that of the job.

    With `wait` (a timedelta, or seconds; 60 at most) the answer comes when the run has ended, or after that time.
    """
    body = without_unset(payload=payload) | ({} if overlap is None else {"overlap": overlap})
    return send_waiting(once(path_of("job", job, "trigger"), body, idempotency_key), wait, Run.model_validate)


def delete(job: JobRef) -> Call[None]:
    """End the job: no further run or attempt starts. Its history stays readable."""
    return send(Request("DELETE", path_of("job", job)), lambda _: None)


def backfill(job: JobRef, start: Time, end: Time, *, overlap: str | None = None) -> Call[list[Run]]:
    """Make the runs of past nominal times in [start, end) that did not run. A second time makes none.

    Each run has the job's definition of its time. Raises Invalid for a start before the job's creation.
    """
    body = {"from": start, "to": end, **({} if overlap is None else {"overlap": overlap})}
    request = Request("POST", path_of("job", job, "backfill"), body=body)
    return send(request, lambda answer: [Run.model_validate(run) for run in answer["items"]])


def why(job: JobRef, *, at: Time | None = None) -> Call[Why]:
    """Why the job ran or did not at that time, by default: what it waits for now."""
    return send(Request("GET", path_of("job", job, "why"), {"at": at}), Why.model_validate)


def ledger(job: JobRef, start: Time | None = None, end: Time | None = None) -> Call[Ledger]:
    """The nominal times in [start, end), at most 200, and the numbers of the whole range.

    Times default to the first nominal time and to now. `ledger_entries` has all of them.
    """
    query = {"from": start, "to": end, "limit": 200}
    return send(Request("GET", path_of("job", job, "ledger"), query), Ledger.model_validate)


def ledger_entries(
    job: JobRef, start: Time | None = None, end: Time | None = None, *, limit: int | None = None
) -> Listing[LedgerEntry]:
    """Every nominal time in [start, end) with its outcome, oldest first, page after page."""
    return Listing(path_of("job", job, "ledger"), {"from": start, "to": end}, LedgerEntry, limit)


def runs(job: JobRef, *, limit: int | None = None) -> Listing[Run]:
    """The runs of the job, newest first, page after page."""
    return Listing(path_of("job", job, "runs"), {}, Run, limit)


def once(path: str, body: Any, key: str | None) -> Request:
    """A POST that takes effect once, however often it is sent."""
    return Request("POST", path, body=body, headers={"Idempotency-Key": key or str(uuid4())})


def _match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}
