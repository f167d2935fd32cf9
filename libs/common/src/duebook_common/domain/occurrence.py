"""What becomes of the nominal times that are due: a run, or a skip with its reason, for each of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

from duebook_common.domain.definition import Definition, Notify, Overlap
from duebook_common.domain.job import Job, JobFinished, OccurrencesSkipped
from duebook_common.domain.run_events import RunDispatched, RunFact, RunSkipped, Trigger, run_id_at
from duebook_common.domain.schedule import next_after, nominal_times

_MOST = 1000  # nominal times in one decision; a job that has more due is decided again, so no decision takes long


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The circumstances of a decision. `dispatch` is 1 where the decider sends the messages itself, else 0."""

    now: datetime
    misfire: timedelta
    patience: timedelta
    dispatch: int


def account(job: Job, active: int, terms: Terms) -> list[RunFact | OccurrencesSkipped | JobFinished]:
    """Decide every nominal time from `job.next_at` up to now, in order; `active` runs of the job exist.

    Later than `misfire` a nominal time was missed, and the catch-up policy decides: `latest` runs the newest
    within the window, `none` none. The others run by the schedule, as the overlap policy allows. Where more than
    a thousand are due, these are the first thousand.
    """
    decided: list[RunFact | OccurrencesSkipped | JobFinished] = []
    for group in _groups(job, terms):
        if isinstance(group, OccurrencesSkipped):
            decided.append(group)
            continue
        nominal_at, trigger = group
        event = _first_event(job, nominal_at, trigger, active, terms)
        active += isinstance(event, RunDispatched)
        decided.append(RunFact(run_id_at(job.id, nominal_at), event))
    if decided and _next(decided[-1]) is None:
        decided.append(JobFinished(at=terms.now))
    return decided


def _next(decided: RunFact | OccurrencesSkipped | JobFinished) -> datetime | None:
    event = decided.event if isinstance(decided, RunFact) else decided
    return event.next_at if isinstance(event, RunDispatched | RunSkipped | OccurrencesSkipped) else None


def _groups(job: Job, terms: Terms) -> Iterator[OccurrencesSkipped | tuple[datetime, Trigger]]:
    times = list(islice(_due(job, terms.now), _MOST + 1))
    newest, times = times[_MOST:], times[:_MOST]
    missed = [time for time in times if time < terms.now - terms.misfire]
    superseded = bool(newest) and len(missed) == len(times)  # the newest missed one is still to come
    catch_up = job.definition.catch_up
    newest_missed = [] if superseded or catch_up.policy == "none" else missed[-1:]
    caught_up = [time for time in newest_missed if time >= terms.now - catch_up.window]
    skipped = missed[: len(missed) - len(caught_up)]
    if skipped:
        reason = "window" if newest_missed and not caught_up else "missed"
        yield skip(job, skipped, reason, terms.now)
    for time in caught_up:
        yield time, Trigger.CATCH_UP
    for time in times[len(missed) :]:
        yield time, Trigger.SCHEDULE


def _due(job: Job, now: datetime) -> Iterator[datetime]:
    if job.next_at is not None and job.next_at <= now:
        yield job.next_at
        yield from takewhile(lambda time: time <= now, nominal_times(job.definition, job.next_at))


def skip(job: Job, times: list[datetime], reason: str, now: datetime) -> OccurrencesSkipped:
    following = next_after(job.definition, times[-1])
    return OccurrencesSkipped(
        first=times[0], last=times[-1], count=len(times), reason=reason, next_at=following, at=now
    )


def skip_due(job: Job, reason: str, now: datetime) -> list[OccurrencesSkipped]:
    """One skip for all that is due and will not run, as when the job was paused or is being deleted."""
    times = list(_due(job, now))
    return [skip(job, times, reason, now)] if times else []


def _first_event(
    job: Job, nominal_at: datetime, trigger: Trigger, active: int, terms: Terms
) -> RunDispatched | RunSkipped:
    definition = job.definition
    following = next_after(definition, nominal_at)
    start_by = nominal_at + definition.start_within if definition.start_within is not None else None
    if start_by is not None and terms.now > start_by:
        return _skipped(job, nominal_at, trigger, following, "deadline", terms.now)
    if active and definition.overlap is Overlap.SKIP:
        return _skipped(job, nominal_at, trigger, following, "overlap", terms.now)
    return RunDispatched(
        **_identity(job, nominal_at, trigger, following, terms.now),
        dispatch=terms.dispatch,
        start_by=start_by,
        wake_at=_first_wake(terms, start_by),
    )


def _first_wake(terms: Terms, start_by: datetime | None) -> datetime:
    if terms.dispatch == 0:
        return terms.now
    wake_at = terms.now + terms.patience
    return wake_at if start_by is None else min(wake_at, start_by)


def _skipped(
    job: Job, nominal_at: datetime, trigger: Trigger, following: datetime | None, reason: str, now: datetime
) -> RunSkipped:
    return RunSkipped(**_identity(job, nominal_at, trigger, following, now), reason=reason)


def _identity(
    job: Job, nominal_at: datetime, trigger: Trigger, following: datetime | None, now: datetime
) -> dict[str, Any]:
    definition = job.definition
    return {
        "job_id": job.id,
        "job_name": definition.name,
        "job_version": job.version,
        "definition_at": job.definition_at,
        "task": definition.task,
        "queue": definition.queue,
        "priority": definition.priority,
        "nominal_at": nominal_at,
        "due_at": nominal_at,
        "trigger": trigger,
        "max_attempts": definition.max_retries + 1,
        "backoff": definition.backoff,
        "notify": Notify(to=recipients(definition), on=definition.notify.on),
        "next_at": following,
        "at": now,
    }


def trigger_now(
    job: Job,
    active: int,
    terms: Terms,
    *,
    overlap: Overlap,
    payload: Any = None,
    own_payload: bool = False,
    request_hash: str | None = None,
) -> RunDispatched | RunSkipped:
    """The first event of a run that a person starts: now, also while paused, beside others unless `skip` is asked."""
    now = terms.now.astimezone(UTC)
    if active and overlap is Overlap.SKIP:
        return _skipped(job, now, Trigger.MANUAL, job.next_at, "overlap", now)
    return RunDispatched(
        **_identity(job, now, Trigger.MANUAL, job.next_at, now),
        dispatch=terms.dispatch,
        start_by=None,
        wake_at=_first_wake(terms, None),
        payload=payload,
        own_payload=own_payload,
        request_hash=request_hash,
    )


def recipients(definition: Definition) -> tuple[str, ...]:
    """Whom the job itself names: `notify.to`, else `payload.to` where that is an address."""
    if definition.notify.to:
        return definition.notify.to
    to = definition.payload.get("to") if isinstance(definition.payload, dict) else None
    return (to,) if isinstance(to, str) and looks_like_address(to) else ()


def looks_like_address(text: str) -> bool:
    local, _, domain = text.rpartition("@")
    return bool(local and domain) and not any(c.isspace() or c in ',;<>"' for c in text) and len(text) <= 254
