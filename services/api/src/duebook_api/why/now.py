"""What an active run waits for now, and what can be done about a dead letter."""

from collections.abc import Iterator

from duebook_api.schemas.phrases import capitalized, event_time, is_or_are, quoted
from duebook_api.why.facts import MOST_AHEAD, Cause, ConcurrencySlots, QueuePosition, RatePosition, RunContext
from duebook_api.why.opening_sentences import other_run_cause, run_label
from duebook_common.domain.definition import Rate
from duebook_common.domain.run.events import Trigger
from duebook_common.domain.run.state import Run, RunStatus
from duebook_common.runtime.phrases import duration, interval, quantity


def present_causes(run: Run, context: RunContext) -> list[Cause]:
    """The causes that hold now; of a run that has ended only the runs that repeat or follow it."""
    if run.status is RunStatus.DEAD_LETTERED:
        return [_choices(run), *(_caused(other, context.zone) for other in context.reruns)]
    if not run.active:
        return [_caused(other, context.zone) for other in context.reruns]
    causes = [other_run_cause(other, context.zone, past=False) for other in context.blockers]
    if context.slots is not None:
        causes += _slots(run, context.slots)
    if run.rate is not None and context.rate_position is not None:
        causes.append(_rate(run.rate, context.rate_position))
    if context.missing is not None:
        causes.append(Cause(f"{capitalized(context.missing)}."))
    if context.queue_position is not None:
        causes += (Cause(f"{clause}.") for clause in _queue(run, context.queue_position, context))
    return [*causes, *(Cause(f"{clause}.") for clause in _definition(run, context))]


def _caused(other: Run, zone: str) -> Cause:
    """A run that repeats this one, or follows its end."""
    if other.trigger is Trigger.FOLLOW_UP:
        at = event_time(other.created_at, zone)
        return Cause(
            f"Its end triggered the run {other.id} of the job {quoted(other.job_name)} at {at}.", run_id=other.id
        )
    return Cause(f"It was run again at {event_time(other.created_at, zone)}, as the run {other.id}.", run_id=other.id)


def runs_ahead(count: int) -> str:
    """How many runs are ahead of one that waits; of very many only that they are."""
    if count > MOST_AHEAD:
        return f"more than {quantity(MOST_AHEAD, 'run')} are ahead"
    return f"{quantity(count, 'run') if count else 'no run'} {is_or_are(count or 1)} ahead"


def _choices(run: Run) -> Cause:
    path = f"POST /api/dead-letter/{run.id}"
    choices = f"{path}/redrive runs it again, {path}/discard discards it for good"
    return Cause(f"It stays a dead letter until a client decides: {choices}.")


def _slots(run: Run, slots: ConcurrencySlots) -> Iterator[Cause]:
    assert run.concurrency is not None
    taken = f"{slots.taken} of {quantity(run.concurrency.limit, 'slot')} {is_or_are(slots.taken)} taken"
    yield Cause(f"Of the concurrency key {quoted(run.concurrency.key)}, {taken}; {runs_ahead(slots.ahead)} of it.")
    for holder in slots.holders:
        label = f"Run {holder.id} of the job {quoted(holder.job_name)}, {run_label(holder, 'UTC')}"
        yield Cause(f"{label}, holds a slot; its status is {holder.status}.", run_id=holder.id)


def _rate(rate: Rate, position: RatePosition) -> Cause:
    started = f"{quantity(position.started, 'attempt')} started within the last {interval(rate.per)}"
    sent = f"{quantity(position.sent, 'run')} {is_or_are(position.sent)} sent and not started"
    return Cause(f"With the key {quoted(rate.key)} {started}, and {sent}.")


def _queue(run: Run, position: QueuePosition, context: RunContext) -> Iterator[str]:
    queue = quoted(run.queue)
    running = f"{quantity(position.running, 'run')} of that queue {is_or_are(position.running)} running"
    yield f"In the queue {queue} {runs_ahead(position.ahead)} of it, and {running}"
    if not position.running and position.last_start is not None:
        started = event_time(position.last_start, context.zone)
        yield f"An executor last started a run of the queue {queue} at {started}"


def _definition(run: Run, context: RunContext) -> Iterator[str]:
    """What the run's definition still decides about it."""
    if run.start_by is not None and run.attempt == 0:
        ends = "ended" if context.now > run.start_by else f"ends in {duration(run.start_by - context.now)},"
        at = event_time(run.start_by, context.zone)
        yield f"Its start_within {ends} at {at}; if it has not started by then, it is skipped"
    if run.job_version < context.job.version:
        yield f"It uses version {run.job_version} of the job's definition, regardless of later changes"
